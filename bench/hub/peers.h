// SPDX-License-Identifier: Apache-2.0
// The proxy's peers, played without threads: each step of a conversation is said by one side and
// heard by the other before the next.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "bench/hub/traffic.h"
#include "protocol/agent_frame.h"
#include "protocol/client_frame.h"
#include "protocol/link_frame.h"

namespace cc::bench {

constexpr unsigned kSocketMode = 0600;  // of the sockets that the load listens at

// What a VM's peers speak: an agent without the extension and clients of version 2, or an agent of
// extension 2 and clients of version 3.
enum class Layer { k30, kOurs };

// A runtime or a shim.
class Client {
  public:
    explicit Client(const std::string& socket, Layer layer = Layer::k30);
    int fd() const { return fd_.get(); }
    void Send(std::string_view frame) { Write(frame); }
    // The answer to this command; an error ends the program.
    std::string AwaitAnswer(ClientCommand command);
    std::string Call(ClientCommand command, std::string_view payload);
    uint8_t AwaitExit();  // output before it is thrown away; 3.0's
    uint16_t version() const { return version_; }

  private:
    struct Frame {
        ClientFrame header;
        std::string payload;
    };
    void Write(std::string_view bytes);
    Frame Receive();

    const uint16_t version_;
    Fd fd_;
    ClientFrameDecoder decoder_;
};

struct ShimSession {
    Client shim;
    uint64_t base = 0;  // the sequence number of its output
};

// A VM with its agent, registered and attached to by a runtime.
class Vm {
  public:
    Vm(std::string proxy_socket, const std::string& directory, std::string id,
       Layer layer = Layer::k30);
    ~Vm();
    Vm(const Vm&) = delete;
    Vm& operator=(const Vm&) = delete;

    int control_fd() const { return control_.get(); }
    int io_fd() const { return io_.get(); }
    Client& runtime() { return *runtime_; }
    // The runtime's command has ended: its connection closes.
    void CloseRuntime() { runtime_.reset(); }
    // Attach a runtime, connect a shim, run a process, in a container of its own the first time.
    std::unique_ptr<ShimSession> StartProcess();
    // The process ends with 0, and its shim goes; 3.0's, as is what it prints.
    void EndProcess(ShimSession& session);
    void Print(uint64_t base, std::string_view output);
    void Unregister();
    const Link& link() const { return link_; }  // of an agent of ours
    // Reads one command and answers it; for a ping.
    void Acknowledge();

  private:
    struct Command {
        uint64_t id = 0;  // of a request to an agent of ours
        std::string payload;
    };
    Command NextCommand();
    void Acknowledge(const Command& command);
    void Greet();
    LinkFrame NextFrame(const Fd& port, LinkDecoder& decoder);
    void ConnectRuntime();
    std::string Attach();  // a token

    const std::string proxy_socket_;
    const std::string id_;
    const Layer layer_;
    Link link_;
    LinkDecoder link_decoder_;
    std::unique_ptr<Client> runtime_;
    Fd control_;
    Fd io_;
    ControlDecoder decoder_;
    std::deque<std::string> tokens_;
    bool container_exists_ = false;
};

}  // namespace cc::bench

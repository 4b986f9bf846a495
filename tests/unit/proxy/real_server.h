// SPDX-License-Identifier: Apache-2.0
// The proxy on real sockets: the server class in a thread, or the whole program in a child process;
// and blocking clients. Everything lives in a temporary folder and is gone afterwards.
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "protocol/agent_messages.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"
#include "proxy/main.h"
#include "proxy/server.h"

namespace cc::proxy {

constexpr int kPatience = 20'000;  // milliseconds until a test gives up

class TemporaryFolder {
  public:
    TemporaryFolder() {
        char name[] = "/tmp/cc-proxy-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TemporaryFolder() { (void)RemoveTree(path); }
    std::string path;
};

struct RealFrame {
    FrameType type = FrameType::kCommand;
    uint8_t opcode = 0;
    bool error = false;
    std::string payload;
    bool Is(StreamKind kind) const {
        return type == FrameType::kStream && opcode == static_cast<uint8_t>(kind);
    }
};

class RealClient {
  public:
    explicit RealClient(const std::string& socket)
        : fd_(ConnectUnix(socket, SOCK_STREAM).value()) {}

    void Send(std::string_view bytes) { REQUIRE(WriteAll(fd_.get(), bytes)); }
    // Nothing: the proxy has closed the connection.
    std::optional<RealFrame> Next() {
        std::array<char, 65536> bytes{};
        while (true) {
            auto frame = decoder_.Next();
            REQUIRE(frame);
            if (*frame)
                return RealFrame{(*frame)->type, (*frame)->opcode, (*frame)->error,
                                 std::string((*frame)->payload)};
            pollfd waiting{fd_.get(), POLLIN, 0};
            REQUIRE_MESSAGE(::poll(&waiting, 1, kPatience) == 1, "the proxy says nothing");
            const ssize_t count = ::read(fd_.get(), bytes.data(), bytes.size());
            if (count <= 0) return std::nullopt;
            decoder_.Push({bytes.data(), static_cast<size_t>(count)});
        }
    }
    RealFrame Call(ClientCommand command, std::string_view payload) {
        Send(EncodeCommand(command, payload));
        auto frame = Next();
        REQUIRE(frame);
        CHECK(frame->type == FrameType::kResponse);
        return *frame;
    }
    // "" or the error.
    std::string Ask(ClientCommand command, std::string_view payload) {
        const auto frame = Call(command, payload);
        return frame.error ? ParseErrorText(frame.payload) : "";
    }
    std::string Hyper(const std::string& name, const std::vector<std::string>& tokens,
                      const std::string& data) {
        return Ask(ClientCommand::kHyper, Encode(HyperMessage{name, tokens, data}));
    }
    std::string NewToken(const std::string& vm) {
        return ParseIoResponse(Call(ClientCommand::kAttachVm, Encode(AttachVm{vm, 1})).payload)
            .value()
            .tokens.at(0);
    }
    int fd() const { return fd_.get(); }

  private:
    Fd fd_;
    ClientFrameDecoder decoder_;
};

// What a shim hears until its process has ended.
struct Heard {
    std::string out;
    std::string err;
    int status = -1;
};
inline Heard Listen(RealClient& shim) {
    Heard heard;
    while (auto frame = shim.Next()) {
        if (frame->Is(StreamKind::kStdout)) heard.out += frame->payload;
        if (frame->Is(StreamKind::kStderr)) heard.err += frame->payload;
        if (frame->type != FrameType::kNotification) continue;
        heard.status = static_cast<unsigned char>(frame->payload.at(0));
        break;
    }
    return heard;
}

inline std::string ContainerOf(const std::string& id, const std::vector<std::string>& args) {
    NewContainer container;
    container.id = id;
    container.process.args = args;
    return Encode(container);
}

class RealServer {
  public:
    explicit RealServer(std::chrono::milliseconds idle_exit = {}) {
        socket = folder.path + "/proxy.sock";
        auto listener = ListenUnix(socket, SOCK_STREAM, 0660).value();
        stop_ = MakePipe().value();
        thread_ = std::thread([this, idle_exit, fd = listener.Release()] {
            uv::Loop loop;
            uv::Poll stop(loop, [&](int) { loop.Stop(); });
            (void)stop.Open(stop_.first.get());
            stop.Start(UV_READABLE);
            const auto server = Server::Start(loop, Fd::Adopt(fd), {socket, idle_exit, false}, [&] {
                ended = true;
                loop.Stop();
            });
            loop.Run();
            if (server) last_counts = (*server)->counts();
        });
    }
    ~RealServer() { Stop(); }
    Router::Counts Stop() {
        stop_.second.Reset();
        if (thread_.joinable()) thread_.join();
        return last_counts;
    }
    void Join() { thread_.join(); }

    TemporaryFolder folder;
    std::string socket;
    std::atomic<bool> ended = false;

  private:
    Router::Counts last_counts;
    FdPair stop_;
    std::thread thread_;
};

// cc-proxy as a process.
class RealProcess {
  public:
    RealProcess(const std::vector<std::string>& arguments,
                const std::function<void()>& in_child = {}) {
        pid = ::fork();
        if (pid > 0) return;
        if (in_child) in_child();
        ::_exit(ProxyMain(arguments));
    }
    ~RealProcess() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    void WaitForSocket(const std::string& path) const {
        for (int i = 0; i < kPatience / 10; ++i) {
            if (ConnectUnix(path, SOCK_STREAM)) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        FAIL("nobody listens on ", path);
    }
    int WaitExit() {
        int status = 0;
        REQUIRE(::waitpid(std::exchange(pid, 0), &status, 0) > 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    pid_t pid = 0;
};

}  // namespace cc::proxy

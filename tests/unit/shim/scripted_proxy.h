// SPDX-License-Identifier: Apache-2.0
// A cc-proxy for one shim, on a real socket, that does what the test tells it, and a real shim
// (ShimMain) in a process of its own to go with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/fd.h"
#include "base/process.h"
#include "protocol/client_frame.h"
#include "protocol/client_messages.h"

namespace cc::test {

constexpr std::chrono::seconds kPatience{20};

inline const std::string kToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

class TempDirectory {
  public:
    TempDirectory();
    ~TempDirectory();
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

// A frame with a payload of its own.
struct OwnedFrame {
    FrameType type = FrameType::kCommand;
    uint8_t opcode = 0;
    std::string payload;
    bool Is(ClientCommand command) const {
        return type == FrameType::kCommand && opcode == static_cast<uint8_t>(command);
    }
    bool Is(StreamKind kind) const {
        return type == FrameType::kStream && opcode == static_cast<uint8_t>(kind);
    }
};

class ScriptedProxy {
  public:
    explicit ScriptedProxy(const std::string& path) : path_(path) { Listen(); }

    void Listen();
    void StopListening();
    // Takes the next connection and answers its ConnectShim.
    void Accept();
    void AcceptAndRefuse(const std::string& error);
    bool HasCaller(int milliseconds);
    void Hang() { peer_.Reset(); }
    // The next frame from the shim; nothing when it closed the connection or the patience ran out.
    std::optional<OwnedFrame> Next();
    void Send(const std::string& bytes);
    int peer() const { return peer_.get(); }
    // After the process ended the shim says good-bye.
    void ExpectGoodbye();

  private:
    void TakeCaller();

    std::string path_;
    Fd listener_;
    Fd peer_;
    ClientFrameDecoder decoder_;
};

// A real shim in a process of its own with these as 0, 1, 2 and, when given, 3.
struct Stdio {
    int in = -1, out = -1, err = -1, start = -1;  // -1: /dev/null
    bool session = false;                         // of its own, with `in` as controlling terminal
};
Process StartShim(const std::vector<std::string>& arguments, const Stdio& stdio);
std::vector<std::string> ShimArguments(const std::string& socket);
// The exit code; -1 when the patience ran out (the process is killed then).
int WaitExit(Process& process);
// Bytes until `count` are there or the patience ran out.
std::string ReadBytes(int fd, size_t count);

}  // namespace cc::test

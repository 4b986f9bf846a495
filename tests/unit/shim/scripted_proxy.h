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
struct OwnedFrame : ClientFrame {
    explicit OwnedFrame(const ClientFrame& frame) : ClientFrame(frame), payload(frame.payload) {}
    std::string payload;
};

class ScriptedProxy {
  public:
    // One of version 2 closes a connection of version 3 without a word, as 3.0's does.
    explicit ScriptedProxy(const std::string& path, uint16_t version = kClientVersion2)
        : path_(path), version_(version) {
        Listen();
    }

    void Listen();
    void StopListening();
    // Takes the next connection, answers its ConnectShim and returns it.
    ConnectShim Accept(const StreamWindow& standard_input = {});
    // The same on the far end of a connection that the shim has inherited, which may not know its
    // token.
    ConnectShim AcceptOn(Fd connection, const StreamWindow& standard_input = {});
    void AcceptAndRefuse(const std::string& error, ErrorCode code = ErrorCode::kFailed);
    // Connections of version 3 that a proxy of version 2 closed.
    int turned_away() const { return turned_away_; }
    bool HasCaller(int milliseconds);
    void Hang() { peer_.Reset(); }
    // The next frame from the shim; nothing when it closed the connection or the patience ran out.
    std::optional<OwnedFrame> Next();
    // Version 3: bytes of standard input, which must begin at `offset`, until `count` are there or
    // the stream ends; `*end` says whether it did.
    std::string Input(uint64_t offset, size_t count, bool* end = nullptr);
    // Version 3: the next window of the stream, other frames passed over.
    StreamWindow NextWindow(StreamKind kind);
    void Send(const std::string& bytes);
    int peer() const { return peer_.get(); }
    // After the process ended the shim says good-bye.
    void ExpectGoodbye();

  private:
    ConnectShim TakeCaller();
    void Answer(const ShimConnected& answer);

    std::string path_;
    uint16_t version_;
    int turned_away_ = 0;
    Fd listener_;
    Fd peer_;
    ClientFrameDecoder decoder_;
};

// A real shim in a process of its own with these as 0, 1, 2 and, when given, 3.
struct Stdio {
    int in = -1, out = -1, err = -1, start = -1;  // -1: /dev/null
    bool session = false;                         // of its own, with `in` as controlling terminal
    int connection = -1;                          // its 4
    bool pids = false;                            // a pid namespace of its own
};
Process StartShim(const std::vector<std::string>& arguments, const Stdio& stdio);
std::vector<std::string> ShimArguments(const std::string& socket);
// The exit code; -1 when the patience ran out (the process is killed then).
int WaitExit(Process& process);
// Bytes until `count` are there or the patience ran out.
std::string ReadBytes(int fd, size_t count);

}  // namespace cc::test

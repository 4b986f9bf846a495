// SPDX-License-Identifier: Apache-2.0
// The streams of one process and their sequence numbers on the I/O channel (reference B4). A
// session outlives its process until everything the process wrote, and its exit code, is on the way
// to the host.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/executor/launch.h"
#include "agent/stream.h"

namespace cc::agent {

class IoChannel;

class Session {
  public:
    // Sequence numbers as the host gave them: stdin and stdout, and stderr (0 for a terminal).
    Session(uv::Loop& loop, IoChannel& channel, uint64_t stdio, uint64_t stderr_sequence);

    uint64_t stdio() const { return stdio_; }
    // Pipes for a process without a terminal; returns the process' ends.
    Result<ChildStreams> MakePipes();
    Result<void> AttachTerminal(Fd master);
    void Input(std::string_view bytes);  // empty: end of file
    size_t backlog() const { return in_.queued(); }
    Result<void> Resize(uint16_t rows, uint16_t columns);
    void Resume();  // the channel has room again
    // The process has ended; what is still in its pipes is sent before the exit code.
    void Exited(int code);

  private:
    Result<std::unique_ptr<OutputReader>> Read(Fd fd, uint64_t sequence);
    void FinishWhenDone();

    uv::Loop& loop_;
    IoChannel& channel_;
    const uint64_t stdio_;
    const uint64_t stderr_sequence_;
    InputWriter in_;
    std::unique_ptr<OutputReader> out_;
    std::unique_ptr<OutputReader> err_;
    Fd terminal_;  // for resizing
    std::optional<int> exit_code_;
    bool finished_ = false;
    uv::Timer drain_;
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// The streams of one process and their sequence numbers on the I/O channel (reference B4). A
// session outlives its process: until everything the process wrote, and its exit code, is on the
// way to the host, or with extension 2 until the host has no more questions about it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/executor/launch.h"
#include "agent/kept_streams.h"
#include "agent/stream.h"

namespace cc::agent {

class IoChannel;

// The stdio of all processes that no shim stands for.
constexpr uint64_t kNullSession = 1;

class Session {
  public:
    enum class Mode {
        kPlain,      // 3.0's messages
        kKept,       // extension 2
        kDiscarded,  // nobody wants to know: output is read and thrown away
    };
    // Sequence numbers as the host gave them: stdin and stdout, and stderr (0 for a terminal).
    Session(uv::Loop& loop, IoChannel& channel, uint64_t stdio, uint64_t stderr_sequence,
            Mode mode);

    uint64_t stdio() const { return stdio_; }
    bool Has(uint64_t sequence) const {
        return sequence != 0 && (sequence == stdio_ || sequence == stderr_sequence_);
    }
    Mode mode() const { return mode_; }
    // Pipes for a process without a terminal; returns the process' ends.
    Result<ChildStreams> MakePipes();
    Result<void> AttachTerminal(Fd master);
    void Started();                      // the process's program runs
    void Input(std::string_view bytes);  // in mode kPlain; empty: end of file
    size_t backlog() const { return in_.queued(); }
    Result<void> Resize(uint16_t rows, uint16_t columns);
    void Resume();  // there is room again
    // The process has ended; what is still in its pipes is sent before the exit code.
    // `out_of_memory`: its container lost a process to that meanwhile.
    void Exited(int wait_status, bool out_of_memory = false);
    // Nobody wants to know any more. The session is removed when its process has ended.
    void Discard();

    // In mode kKept.
    KeptStreams& kept() { return *kept_; }
    void OnData(uint64_t offset, std::string_view bytes, bool end);
    void OnWindow(uint64_t sequence, uint64_t acknowledged, uint64_t limit, bool rewind);

  private:
    Result<std::unique_ptr<OutputReader>> Read(Fd fd, bool on_stderr);
    size_t Room(bool on_stderr);
    void Output(bool on_stderr, std::string_view bytes);
    void OutputEnded();
    void InputMoved();
    bool InputMayEnd() const;
    bool drained() const { return (!out_ || out_->ended()) && (!err_ || err_->ended()); }
    void FinishWhenDone();

    uv::Loop& loop_;
    IoChannel& channel_;
    const uint64_t stdio_;
    const uint64_t stderr_sequence_;
    Mode mode_;
    std::unique_ptr<KeptStreams> kept_;
    InputWriter in_;
    uv::Timer say_input_;  // how far the process is, when that is worth no message at once
    std::unique_ptr<OutputReader> out_;
    std::unique_ptr<OutputReader> err_;
    Fd terminal_;  // for resizing
    std::optional<int> wait_status_;
    bool finished_ = false;
    uv::Timer drain_;
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// What extension 2 keeps of a process: its output until it is acknowledged, the place of its input,
// its exit status. Speaks for it on the I/O channel, as long as a host side is there; what it
// cannot say then it says when the host asks for it, with a window that rewinds.
#pragma once

#include <optional>

#include "agent/received_input.h"
#include "agent/sent_stream.h"
#include "protocol/agent_messages.h"

namespace cc::agent {

class IoChannel;

class KeptStreams {
  public:
    // Sequence numbers as the host gave them; that of stderr is 0 for a terminal.
    KeptStreams(IoChannel& channel, uint64_t base, uint64_t stderr_sequence);

    // Output. Stderr without a number of its own goes where stdout goes.
    SentStream& Stream(bool on_stderr) { return on_stderr && stderr_ ? *stderr_ : stdout_; }
    void OnWindow(bool on_stderr, uint64_t acknowledged, uint64_t limit, bool rewind);
    // Sends a frame of each stream that may send; false when neither may.
    bool SendSome();

    // Input. `waiting`: bytes that the process has not taken.
    void Started();
    ReceivedInput::Fresh TakeInput(uint64_t offset, std::string_view bytes, bool end) {
        return input_.Take(offset, bytes, end);
    }
    // Says how far the process is. True: a little is left to say, with SayInput(), in a while.
    bool InputMoved(size_t waiting);
    void SayInput(size_t waiting);

    void BeginEpoch(size_t waiting);
    void Exited(int wait_status, bool out_of_memory);
    // Says how the process ended, when the host is to know and does not yet.
    void SayExit();

    AgentSession Describe(size_t waiting);

  private:
    bool SendFrom(SentStream& stream, uint64_t sequence);
    void SendWindow(const InputWindow& window);
    void SendExit(uint8_t flags);

    IoChannel& channel_;
    const uint64_t base_;
    const uint64_t stderr_sequence_;
    SentStream stdout_;
    std::optional<SentStream> stderr_;
    ReceivedInput input_;
    bool started_ = false;
    std::optional<int> wait_status_;
    bool out_of_memory_ = false;
    bool early_said_ = false;
    bool final_said_ = false;
};

}  // namespace cc::agent

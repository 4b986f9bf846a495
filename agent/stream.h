// SPDX-License-Identifier: Apache-2.0
// The agent's ends of a process' standard streams: pipes, or a terminal's master.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/uv/loop.h"
#include "protocol/agent_frame.h"

namespace cc::agent {

// Reads a process' output, as long as somebody takes it. What is not read stays in the pipe and
// makes the process wait.
class OutputReader {
  public:
    // A read is at most this long: with its header it fits into one buffer of the port.
    static constexpr size_t kMaxRead = kAgentIoChunk - kIoHeaderSize;
    struct Callbacks {
        std::function<size_t()> room;  // how much may be read now; 0: stop until Resume()
        std::function<void(std::string_view)> on_data;  // valid during the call
        std::function<void()> on_end;                   // once
    };
    static Result<std::unique_ptr<OutputReader>> Open(uv::Loop& loop, Fd fd, Callbacks callbacks);
    void Resume();
    // What is in the pipe now still comes, then the end, even if somebody holds the other side
    // open.
    void EndSoon();
    bool ended() const { return ended_; }

  private:
    OutputReader(uv::Loop& loop, Fd fd, Callbacks callbacks);
    void OnReadable();
    void End();

    Fd fd_;
    Callbacks callbacks_;
    std::unique_ptr<uv::Poll> poll_;
    bool ended_ = false;
    bool ending_ = false;
    size_t remaining_ = 0;  // bytes that may still come when ending_
};

// Writes a process' input without ever blocking; what the process does not take waits here.
class InputWriter {
  public:
    // `on_progress`: queued() has become smaller.
    InputWriter(uv::Loop& loop, std::function<void()> on_progress);
    // Before this, input only queues.
    Result<void> Attach(Fd fd);
    void Write(std::string_view bytes);
    void CloseWhenWritten();
    void Drop();  // closes; everything queued and to come is thrown away
    size_t queued() const { return queued_; }

  private:
    void Flush();

    Fd fd_;
    std::function<void()> on_progress_;
    std::unique_ptr<uv::Poll> poll_;
    uv::Loop& loop_;
    std::deque<std::string> queue_;
    size_t head_offset_ = 0;
    size_t queued_ = 0;
    bool close_wanted_ = false;
    bool closed_ = false;
};

}  // namespace cc::agent

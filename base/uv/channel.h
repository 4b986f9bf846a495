// SPDX-License-Identifier: Apache-2.0
// A byte stream on a non-blocking descriptor (socket, pipe, tty, character device) in an event
// loop: large reads, a queue of writes that is gathered, and marks by which the writer of a slow
// peer learns to wait.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::uv {

class Channel {
  public:
    struct Callbacks {
        // Bytes that arrived; valid during the call only.
        std::function<void(std::string_view)> on_data;
        // End of file (success) or a broken stream; called once, nothing comes after it. Bytes that
        // are still queued are dropped when the stream broke; after a mere end of file they still
        // go out.
        std::function<void(Result<void>)> on_end;
        // The queue of writes has become empty (after it was not).
        std::function<void()> on_drained;
        // While reading is paused: the peer has gone for good, though what it sent may still wait
        // to be read. Called once.
        std::function<void()> on_hangup = nullptr;
        // In place of read(2) and writev(2), with their results and errno, where these are not
        // enough. Must not block.
        std::function<ssize_t(int fd, std::span<char> buffer)> receive = nullptr;
        std::function<ssize_t(int fd, std::span<const iovec> slices)> transmit = nullptr;
    };

    // Makes the descriptor non-blocking. Any callback may destroy the channel.
    static Result<std::unique_ptr<Channel>> Open(Loop& loop, Fd fd, Callbacks callbacks);
    ~Channel();

    // Writes what the descriptor takes at once and queues the rest. Silently nothing once the
    // stream is broken (on_end tells).
    void Write(std::string_view bytes);
    void Write(std::span<const iovec> slices);
    size_t queued() const { return queued_; }  // bytes not yet taken by the descriptor
    void PauseReading();
    void ResumeReading();
    bool reading() const { return reading_; }
    // Sockets: no more writing after what is queued has gone out. The other direction stays.
    void ShutdownWrite();
    int fd() const { return fd_.get(); }

  private:
    Channel(Loop& loop, Fd fd, Callbacks callbacks);
    void OnReady(int events);
    void Read();
    ssize_t Receive(std::span<char> buffer) const;
    ssize_t Transmit(std::span<const iovec> slices) const;
    void HangUp();
    void Flush();
    void Enqueue(std::string_view bytes);
    void EnqueueRest(std::span<const iovec> slices, size_t taken);
    void UpdateEvents();
    void End(Result<void> how);

    Fd fd_;
    // Shared with the turn that is calling one of them: the call may destroy the channel, but not
    // the function that is running.
    std::shared_ptr<Callbacks> callbacks_;
    Poll poll_;
    std::list<std::string> queue_;
    size_t head_offset_ = 0;  // bytes of queue_.front() that are out already
    size_t queued_ = 0;
    bool reading_ = true;
    bool input_ended_ = false;
    bool broken_ = false;
    bool shutdown_wanted_ = false;
    // False once the destructor ran: a callback of ours may have been on the stack then.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cc::uv

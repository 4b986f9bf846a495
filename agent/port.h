// SPDX-License-Identifier: Apache-2.0
// One of the two byte channels to the host. Its host side comes and goes: the proxy connects, dies,
// and its successor connects again.
//
// On a virtio-serial port poll(2) reports EPOLLHUP for as long as the host side is closed, which
// would make a level- triggered loop spin. So each port has an epoll instance of its own that
// watches it edge-triggered; the kernel wakes the port's waiters when the host opens or closes its
// side, and the loop watches that epoll instance. No timer polls for anything.
//
// For tests a UNIX socket stands in for the device: the agent listens where QEMU would, one
// connection at a time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc::agent {

class Port {
  public:
    struct Callbacks {
        std::function<void()> on_connect;
        std::function<void()> on_disconnect;
        // Bytes from the host; valid during the call.
        std::function<void(std::string_view)> on_data;
        // There is room to write again, after queued() had been above kHighWater.
        std::function<void()> on_room;
    };
    // The marks of the queue of frames: whoever produces output stops above the high one.
    static constexpr size_t kHighWater = 256 * 1024;
    static constexpr size_t kLowWater = 64 * 1024;

    static Result<std::unique_ptr<Port>> OpenDevice(uv::Loop& loop, const std::string& path,
                                                    Callbacks callbacks);
    // Of a connection that stays.
    static Result<std::unique_ptr<Port>> Over(uv::Loop& loop, Fd fd, Callbacks callbacks);
    // `listener`: a listening stream socket.
    static Result<std::unique_ptr<Port>> Serve(uv::Loop& loop, Fd listener, Callbacks callbacks);

    // What happened so far is reported from now on.
    void Start();
    bool connected() const { return connected_; }
    // Queues a frame. It is written whole or, when the host goes away in the middle of it, again
    // from its beginning: the next connection starts at the boundary of a frame.
    void Write(std::string frame);
    size_t queued() const { return queued_; }
    bool congested() const { return !connected_ || congested_; }
    void DropQueue();  // of frames that only the connection that is gone could understand
    void PauseReading() { reading_ = false; }
    void ResumeReading();

  private:
    Port(uv::Loop& loop, Callbacks callbacks);
    Result<void> Watch(int fd);
    void Accept();
    void OnEdge();
    void Pump();
    bool Read();  // false: the host side is gone
    bool Flush();
    void Disconnect();
    void WaitForNext();

    Callbacks callbacks_;
    Fd fd_;        // the device, or the connection
    Fd listener_;  // the socket that stands in for a device
    Fd edges_;     // the inner epoll instance
    std::deque<std::string> queue_;
    size_t head_offset_ = 0;  // bytes of queue_.front() that are out already
    size_t queued_ = 0;
    bool connected_ = false;
    bool congested_ = false;
    bool reading_ = true;
    uv::Poll edge_poll_;
    uv::Poll listen_poll_;
    uv::Timer again_;  // goes on with a busy port in the loop's next turn
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// libuv behind small owners. After a successful uv_*_init one uv_close is owed: each owner pays it
// in its destructor. The uv handle itself lives in a block of its own that the close callback
// frees, so owners may die at any time, also inside their own callback, and handles never move.
// Nothing throws through a callback.
//
// One loop a thread; owners must be destroyed before their Loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <uv.h>

#include "base/result.h"

namespace cc::uv {

class Loop {
  public:
    Loop();
    ~Loop();  // runs the close callbacks that are still owed
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void Run() { uv_run(&loop_, UV_RUN_DEFAULT); }
    void Stop() { uv_stop(&loop_); }
    uv_loop_t* raw() { return &loop_; }

  private:
    uv_loop_t loop_;
};

// "<what>: <libuv's text>".
Failure FailUv(std::string_view what, int error);

// A uv handle and the function its callback shall call. Not used directly: see Timer, NextTurn,
// Poll, SignalWatch.
template <class Raw, class... Args>
class Handle {
  public:
    using Callback = std::function<void(Args...)>;
    explicit Handle(Callback callback) : block_(new Block{{}, this, std::move(callback)}) {
        block_->raw.data = block_;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        block_->owner = nullptr;
        if (initialised_)
            uv_close(reinterpret_cast<uv_handle_t*>(&block_->raw),
                     [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
        else
            delete block_;
    }

  protected:
    struct Block {
        Raw raw;
        Handle* owner;
        Callback callback;
    };
    // The callback is a member of the block, which outlives the call even when the owner dies in
    // it.
    static void Call(Raw* raw, Args... args) {
        auto* block = static_cast<Block*>(raw->data);
        if (block->owner != nullptr) block->callback(args...);
    }
    Raw* raw() { return &block_->raw; }
    bool initialised_ = false;

  private:
    Block* block_;
};

class Timer : public Handle<uv_timer_t> {
  public:
    Timer(Loop& loop, Callback callback);
    // Once after `delay`, or again and again when `repeat` is not zero. Starting a running timer
    // restarts it.
    void Start(std::chrono::milliseconds delay, std::chrono::milliseconds repeat = {});
    void Stop();
    bool active() { return uv_is_active(reinterpret_cast<uv_handle_t*>(raw())) != 0; }
};

// Once, in the loop's next turn, before which everybody else has had one: a timer that is set to
// now from within a timer runs before the descriptors are looked at.
class NextTurn : public Handle<uv_idle_t> {
  public:
    NextTurn(Loop& loop, Callback callback);
    void Start();
};

class SignalWatch : public Handle<uv_signal_t, int> {
  public:
    SignalWatch(Loop& loop, Callback callback);
    Result<void> Start(int signal);
};

// Readiness of a descriptor that someone else owns and keeps open for longer. Events: UV_READABLE,
// UV_WRITABLE, UV_DISCONNECT, UV_PRIORITIZED. A callback with events 0 means that the poll itself
// failed.
class Poll : public Handle<uv_poll_t, int> {
  public:
    Poll(Loop& loop, Callback callback);
    Result<void> Open(int fd);
    void Start(int events);
    void Stop();
    int events() const { return events_; }

  private:
    Loop& loop_;
    int events_ = 0;
};

}  // namespace cc::uv

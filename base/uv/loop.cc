// SPDX-License-Identifier: Apache-2.0
#include "base/uv/loop.h"

#include <cstdlib>

#include "base/log.h"
#include "base/text.h"

namespace cc::uv {

Loop::Loop() {
    // Fails only for want of memory or descriptors at start-up, when there is nothing to save yet.
    if (const int error = uv_loop_init(&loop_); error < 0) {
        Log(LogLevel::kError, Cat("starting an event loop: ", uv_strerror(error)));
        std::abort();
    }
}

Loop::~Loop() {
    // After a Stop() that found the loop not running, the next run returns at once; the one after
    // that does the work.
    for (int turn = 0; turn < 3 && uv_loop_close(&loop_) == UV_EBUSY; ++turn)
        uv_run(&loop_, UV_RUN_NOWAIT);
}

Failure FailUv(std::string_view what, int error) {
    return Fail(Cat(what, ": ", uv_strerror(error)), -error);
}

Timer::Timer(Loop& loop, Callback callback) : Handle(std::move(callback)) {
    initialised_ = uv_timer_init(loop.raw(), raw()) == 0;
}

void Timer::Start(std::chrono::milliseconds delay, std::chrono::milliseconds repeat) {
    // libuv counts from the loop's cached time, which is old when the loop has been busy.
    uv_update_time(raw()->loop);
    uv_timer_start(
        raw(), [](uv_timer_t* timer) { Call(timer); }, static_cast<uint64_t>(delay.count()),
        static_cast<uint64_t>(repeat.count()));
}

void Timer::Stop() {
    uv_timer_stop(raw());
}

NextTurn::NextTurn(Loop& loop, Callback callback) : Handle(std::move(callback)) {
    initialised_ = uv_idle_init(loop.raw(), raw()) == 0;
}

void NextTurn::Start() {
    uv_idle_start(raw(), [](uv_idle_t* idle) {
        uv_idle_stop(idle);
        Call(idle);
    });
}

SignalWatch::SignalWatch(Loop& loop, Callback callback) : Handle(std::move(callback)) {
    initialised_ = uv_signal_init(loop.raw(), raw()) == 0;
}

Result<void> SignalWatch::Start(int signal) {
    if (!initialised_) return Fail(Cat("watching for signal ", signal, ": no descriptors left"));
    const int error = uv_signal_start(
        raw(), [](uv_signal_t* watch, int number) { Call(watch, number); }, signal);
    if (error < 0) return FailUv(Cat("watching for signal ", signal), error);
    return {};
}

Poll::Poll(Loop& loop, Callback callback) : Handle(std::move(callback)), loop_(loop) {}

Result<void> Poll::Open(int fd) {
    if (const int error = uv_poll_init(loop_.raw(), raw(), fd); error < 0)
        return FailUv(Cat("watching descriptor ", fd), error);
    initialised_ = true;
    return {};
}

void Poll::Start(int events) {
    events_ = events;
    if (events == 0) {
        uv_poll_stop(raw());
        return;
    }
    uv_poll_start(raw(), events, [](uv_poll_t* poll, int status, int ready) {
        Call(poll, status < 0 ? 0 : ready);
    });
}

void Poll::Stop() {
    if (initialised_) Start(0);
}

}  // namespace cc::uv

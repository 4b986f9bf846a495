// SPDX-License-Identifier: Apache-2.0
// The container's standard output or error on its way out: never blocks the loop on a slow reader,
// never loses a byte that the reader could still take.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/uv/loop.h"
#include "shim/stdio_fd.h"

namespace cc::shim {

class Output {
  public:
    // `on_progress`: the backlog has become smaller. `on_broken`: writing failed for good, told
    // once; what comes after that is dropped, as the process in the guest goes on.
    struct Callbacks {
        std::function<void()> on_progress;
        std::function<void(const Error&)> on_broken;
    };
    static Result<std::unique_ptr<Output>> Open(uv::Loop& loop, int fd, Callbacks callbacks);

    void Write(std::string_view bytes);
    size_t backlog() const { return backlog_; }  // bytes accepted and not yet written

  private:
    Output(uv::Loop& loop, StdioFd fd, Callbacks callbacks);
    void Flush();
    // Writes what goes without waiting; the rest of `bytes`.
    std::string_view WriteNow(std::string_view bytes);
    void Break(const Error& error);

    StdioFd fd_;
    Callbacks callbacks_;
    uv::Poll poll_;
    std::deque<std::string> queue_;
    size_t head_offset_ = 0;  // bytes of queue_.front() that are out already
    size_t backlog_ = 0;
    bool broken_ = false;
};

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
// The container's standard input: a pipe, terminal, socket, file, /dev/null, or nothing at all.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/uv/loop.h"
#include "shim/stdio_fd.h"

namespace cc::shim {

// 3.0's size; its proxy closes the connection of a shim that sends more than 10228 bytes in a
// frame.
constexpr size_t kStdinChunk = 8192;

class Input {
  public:
    struct Callbacks {
        // Asked before each read: at most how many bytes; after 0 the input is paused.
        std::function<size_t()> room;
        std::function<void(std::string_view)>
            on_data;                   // at most kStdinChunk bytes, valid during the call
        std::function<void()> on_end;  // end of file, a hung-up terminal or a broken stream; once
    };
    // Starts paused.
    static Result<std::unique_ptr<Input>> Open(uv::Loop& loop, int fd, Callbacks callbacks);

    void Pause();
    void Resume();

  private:
    Input(uv::Loop& loop, StdioFd fd, Callbacks callbacks);
    void Read();

    StdioFd fd_;
    Callbacks callbacks_;
    uv::Poll poll_;
    uv::Timer turn_;  // of what is always ready: the next read, in a turn of its own
    bool reading_ = false;
    bool ended_ = false;
};

}  // namespace cc::shim

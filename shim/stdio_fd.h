// SPDX-License-Identifier: Apache-2.0
// The container's stdio as the shim inherits it. Other processes share the open file descriptions
// (the user's shell, an engine, a sibling container), so O_NONBLOCK, which belongs to the
// description, is never set on them: pipes and terminals are opened anew, sockets are asked per
// call, and what can be neither is used in small ready pieces.
#pragma once

#include <string_view>

#include <sys/types.h>

#include "base/fd.h"

namespace cc::shim {

enum class Direction { kRead, kWrite };

class StdioFd {
  public:
    // `fd` stays the caller's. A closed one reads as end of file and swallows what is written.
    static Result<StdioFd> Open(int fd, Direction direction);

    // False for regular files, /dev/null and their like: they are always ready, and epoll refuses
    // them.
    bool pollable() const { return static_cast<bool>(watch_); }
    // An epoll instance that is readable when this descriptor is ready in its direction.
    int watch_fd() const { return watch_.get(); }
    // As read(2) and write(2); with EAGAIN where waiting would be needed (pollable ones only). A
    // write may take less.
    ssize_t Read(char* buffer, size_t size) const;
    ssize_t Write(std::string_view bytes) const;

  private:
    enum class Method { kPlain, kSocket, kPieces };
    StdioFd(Fd fd, Method method) : fd_(std::move(fd)), method_(method) {}
    bool Ready(short events) const;

    Fd fd_;
    Fd watch_;
    Method method_;
};

// Opens /dev/null in place of any of 0, 1, 2 that is closed, so that no later descriptor gets such
// a number.
Result<void> FillStandardFds();

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
// File descriptors: owned by one object, close-on-exec from birth.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace cc {

class Fd {
  public:
    Fd() = default;
    // Takes over a descriptor that someone else opened (inherited, or returned by a library).
    static Fd Adopt(int fd) { return Fd(fd); }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            Reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { Reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int Release() { return std::exchange(fd_, -1); }
    void Reset();
    Result<Fd> Duplicate() const;

  private:
    explicit Fd(int fd) : fd_(fd) {}
    int fd_ = -1;
};

struct FdPair {
    Fd first;   // of a pipe: the reading end
    Fd second;  // of a pipe: the writing end
};

Result<Fd> OpenFile(const std::string& path, int flags, unsigned mode = 0);
Result<FdPair> MakePipe();
Result<FdPair> MakeSocketPair(int type);  // AF_UNIX; type such as SOCK_STREAM
Result<void> SetNonBlocking(int fd);
Result<void> SetCloseOnExec(int fd, bool on);

// UNIX sockets. Paths are at most 107 bytes (sun_path); a longer one is an error that says so.
// Waits at most 10 s for a server whose queue is full.
Result<Fd> ConnectUnix(const std::string& path, int type);
// An error for whatever is not a connected stream socket of this family: a check of descriptors
// that come from others.
Result<void> CheckUnixConnection(int fd);
// Binds and listens; replaces a stale socket file that nobody listens on, refuses a live one.
Result<Fd> ListenUnix(const std::string& path, int type, unsigned mode);

// Blocking helpers for small messages on pipes and files. A short read at end of file is not an
// error.
Result<void> WriteAll(int fd, std::string_view bytes);
Result<std::string> ReadAll(int fd,
                            size_t limit);  // until end of file; more than limit is an error

// One message with descriptors over a UNIX socket (SCM_RIGHTS). The sockets are blocking.
Result<void> SendWithFds(int socket, std::string_view bytes, std::span<const int> fds);
struct Received {
    std::string bytes;  // empty: the peer closed
    std::vector<Fd> fds;
};
Result<Received> ReceiveWithFds(int socket, size_t limit);

}  // namespace cc

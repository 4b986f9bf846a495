// SPDX-License-Identifier: Apache-2.0
#include "shim/stdio_fd.h"

#include <algorithm>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::shim {

namespace {

// A ready pipe takes at least this much at once (PIPE_BUF is 4096), a ready terminal as well.
constexpr size_t kBlockingPiece = 512;

// The same file through a description of our own; may fail (no /proc, a pipe without readers, a
// hung-up terminal).
Result<Fd> OpenAnew(int fd, Direction direction) {
    const int access = direction == Direction::kRead ? O_RDONLY : O_WRONLY;
    return OpenFile(Cat("/proc/self/fd/", fd), access | O_NONBLOCK | O_NOCTTY);
}

// Nothing (an empty Fd) when the file is of a kind that epoll refuses.
Result<Fd> MakeWatch(int fd, Direction direction) {
    Fd watch = Fd::Adopt(::epoll_create1(EPOLL_CLOEXEC));
    if (!watch) return FailErrno("making an epoll instance");
    epoll_event event{};
    event.events = direction == Direction::kRead ? EPOLLIN : EPOLLOUT;
    if (::epoll_ctl(watch.get(), EPOLL_CTL_ADD, fd, &event) == 0) return watch;
    if (errno == EPERM) return Fd();
    return FailErrno("watching standard input or output");
}

}  // namespace

Result<StdioFd> StdioFd::Open(int fd, Direction direction) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0 && errno != EBADF) return FailErrno(Cat("duplicating descriptor ", fd));
    Fd own = Fd::Adopt(copy);
    if (!own) {
        CC_ASSIGN(own, OpenFile("/dev/null", O_RDWR));
    }
    struct stat status {};
    if (::fstat(own.get(), &status) < 0) return FailErrno(Cat("examining descriptor ", fd));
    Method method = Method::kPlain;
    if (S_ISSOCK(status.st_mode)) {
        method = Method::kSocket;
    } else if (S_ISFIFO(status.st_mode) || ::isatty(own.get()) == 1) {
        if (auto anew = OpenAnew(fd, direction))
            own = std::move(*anew);
        else
            method = Method::kPieces;
    }
    StdioFd stdio(std::move(own), method);
    CC_ASSIGN(stdio.watch_, MakeWatch(stdio.fd_.get(), direction));
    // A character device that can be polled but is no terminal: never trusted to take or give more
    // than it says.
    if (S_ISCHR(status.st_mode) && stdio.pollable() && ::isatty(stdio.fd_.get()) != 1)
        stdio.method_ = Method::kPieces;
    return stdio;
}

bool StdioFd::Ready(short events) const {
    pollfd waiting{fd_.get(), events, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

ssize_t StdioFd::Read(char* buffer, size_t size) const {
    if (method_ == Method::kSocket) return ::recv(fd_.get(), buffer, size, MSG_DONTWAIT);
    if (method_ == Method::kPieces && !Ready(POLLIN)) {
        errno = EAGAIN;
        return -1;
    }
    return ::read(fd_.get(), buffer, size);
}

ssize_t StdioFd::Write(std::string_view bytes) const {
    if (method_ == Method::kSocket)
        return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (method_ == Method::kPieces) {
        if (!Ready(POLLOUT)) {
            errno = EAGAIN;
            return -1;
        }
        bytes = bytes.substr(0, kBlockingPiece);
    }
    return ::write(fd_.get(), bytes.data(), bytes.size());
}

Result<void> FillStandardFds() {
    while (true) {
        CC_ASSIGN(Fd null, OpenFile("/dev/null", O_RDWR));
        if (null.get() > 2) return {};
        (void)null.Release();  // stays for the life of the process, as standard descriptors do
    }
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <array>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

void Fd::Reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

Result<Fd> Fd::Duplicate() const {
    const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return FailErrno("duplicating a file descriptor");
    return Fd(copy);
}

Result<Fd> OpenFile(const std::string& path, int flags, unsigned mode) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return FailErrno(Cat("opening ", path));
    return Fd::Adopt(fd);
}

Result<FdPair> MakePipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) return FailErrno("making a pipe");
    return FdPair{Fd::Adopt(ends[0]), Fd::Adopt(ends[1])};
}

Result<FdPair> MakeSocketPair(int type) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) < 0)
        return FailErrno("making a socket pair");
    return FdPair{Fd::Adopt(ends[0]), Fd::Adopt(ends[1])};
}

Result<void> SetNonBlocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    const bool done = flags >= 0 && (flags & O_NONBLOCK) != 0;
    if (flags < 0 || (!done && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return FailErrno("making a descriptor non-blocking");
    return {};
}

Result<void> SetCloseOnExec(int fd, bool on) {
    if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0) return FailErrno("setting close-on-exec");
    return {};
}

namespace {

constexpr int kConnectSeconds = 10;

Result<sockaddr_un> UnixAddress(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) return Fail("socket path is empty");
    if (path.size() >= sizeof address.sun_path)
        return Fail(Cat("socket path ", path, " has ", path.size(), " bytes, at most ",
                        sizeof address.sun_path - 1, " are possible"),
                    ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<Fd> UnixSocket(int type) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return FailErrno("making a UNIX socket");
    return Fd::Adopt(fd);
}

}  // namespace

Result<Fd> ConnectUnix(const std::string& path, int type) {
    CC_ASSIGN(const sockaddr_un address, UnixAddress(path));
    CC_ASSIGN(Fd fd, UnixSocket(type));
    // connect(2) waits while the server's queue is full; the send timeout bounds that, too.
    timeval patience{kConnectSeconds, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        if (errno == EAGAIN)
            return Fail(Cat("connecting to ", path, ": nobody accepted the connection within ",
                            kConnectSeconds, " s"),
                        ETIMEDOUT);
        if (errno != EINTR) return FailErrno(Cat("connecting to ", path));
    }
    patience = {};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

namespace {

// Whether the socket file is left over. A server that is too busy to answer, or one of another
// socket type, is alive.
Result<bool> NobodyListens(const sockaddr_un& address, int type) {
    CC_ASSIGN(const Fd probe, UnixSocket(type | SOCK_NONBLOCK));
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) <
               0 &&
           errno == ECONNREFUSED;
}

}  // namespace

Result<void> CheckUnixConnection(int fd) {
    const auto is = [fd](int option, int wanted) {
        int value = -1;
        socklen_t size = sizeof value;
        return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
    };
    sockaddr_un peer{};
    socklen_t size = sizeof peer;
    if (is(SO_DOMAIN, AF_UNIX) && is(SO_TYPE, SOCK_STREAM) &&
        ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0)
        return {};
    return Fail(Cat("descriptor ", fd, " is not a connected UNIX stream socket"), ENOTSOCK);
}

Result<Fd> ListenUnix(const std::string& path, int type, unsigned mode) {
    CC_ASSIGN(const sockaddr_un address, UnixAddress(path));
    CC_ASSIGN(Fd fd, UnixSocket(type));
    // Nobody may connect between bind and chmod.
    ::fchmod(fd.get(), mode);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        if (errno != EADDRINUSE) return FailErrno(Cat("binding ", path));
        struct stat status {};
        if (::lstat(path.c_str(), &status) < 0 || !S_ISSOCK(status.st_mode))
            return Fail(Cat("binding ", path, ": the path exists and is not a socket"), EADDRINUSE);
        CC_ASSIGN(const bool stale, NobodyListens(address, type));
        if (!stale) return Fail(Cat(path, " is already being served"), EADDRINUSE);
        ::unlink(path.c_str());
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
            return FailErrno(Cat("binding ", path));
    }
    ::chmod(path.c_str(), mode);
    if (::listen(fd.get(), SOMAXCONN) < 0) return FailErrno(Cat("listening on ", path));
    return fd;
}

Result<void> WriteAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            return FailErrno("writing");
        }
        bytes.remove_prefix(static_cast<size_t>(count));
    }
    return {};
}

Result<std::string> ReadAll(int fd, size_t limit) {
    std::string out;
    std::array<char, 16384> buffer{};
    while (true) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0) {
            if (errno == EINTR) continue;
            return FailErrno("reading");
        }
        if (count == 0) return out;
        out.append(buffer.data(), static_cast<size_t>(count));
        if (out.size() > limit) return Fail(Cat("more than the ", limit, " bytes allowed"), EFBIG);
    }
}

// The kernel's own limit on descriptors in one message (SCM_MAX_FD).
constexpr size_t kMaxFds = 253;

Result<void> SendWithFds(int socket, std::string_view bytes, std::span<const int> fds) {
    if (fds.size() > kMaxFds) return Fail("too many descriptors for one message");
    iovec data{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    std::vector<char> control(CMSG_SPACE(fds.size_bytes()));
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    while (true) {
        const ssize_t count = ::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return FailErrno("sending a message");
        if (static_cast<size_t>(count) != bytes.size())
            return Fail("a message was cut while sending");
        return {};
    }
}

Result<Received> ReceiveWithFds(int socket, size_t limit) {
    Received received;
    received.bytes.resize(limit);
    iovec data{received.bytes.data(), received.bytes.size()};
    std::vector<char> control(CMSG_SPACE(kMaxFds * sizeof(int)));
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t count = -1;
    do {
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return FailErrno("receiving a message");
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            received.fds.push_back(Fd::Adopt(fd));
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return Fail("descriptors of a message were lost: too many are open here", EMFILE);
    if ((message.msg_flags & MSG_TRUNC) != 0) return Fail("a message is longer than allowed");
    received.bytes.resize(static_cast<size_t>(count));
    return received;
}

}  // namespace cc

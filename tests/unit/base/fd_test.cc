// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <array>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/scratch.h"

namespace cc {
namespace {

bool IsOpen(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}
bool IsCloseOnExec(const Fd& fd) {
    return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

}  // namespace

TEST_CASE("a descriptor is closed once, by its last owner") {
    FdPair pipe = MakePipe().value();
    const int number = pipe.first.get();
    Fd moved = std::move(pipe.first);
    CHECK_FALSE(static_cast<bool>(pipe.first));
    CHECK(moved.get() == number);
    moved = std::move(pipe.second);
    CHECK_FALSE(IsOpen(number));
    const int released = moved.Release();
    CHECK_FALSE(static_cast<bool>(moved));
    CHECK(IsOpen(released));
    Fd::Adopt(released).Reset();
    CHECK_FALSE(IsOpen(released));
}

TEST_CASE("every descriptor is close-on-exec from birth") {
    const test::Scratch scratch;
    const FdPair pipe = MakePipe().value();
    const FdPair sockets = MakeSocketPair(SOCK_STREAM).value();
    const Fd listener = ListenUnix(scratch / "s", SOCK_STREAM, 0600).value();
    const Fd client = ConnectUnix(scratch / "s", SOCK_STREAM).value();
    const Fd file = OpenFile(scratch / "f", O_RDWR | O_CREAT, 0600).value();
    const Fd copy = file.Duplicate().value();
    for (const Fd* fd : {&pipe.first, &pipe.second, &sockets.first, &sockets.second, &listener,
                         &client, &file, &copy})
        CHECK(IsCloseOnExec(*fd));
    CHECK(copy.get() > 2);
    REQUIRE(SetCloseOnExec(copy.get(), false));
    CHECK_FALSE(IsCloseOnExec(copy));
}

TEST_CASE("listening replaces a socket file that nobody serves, with the mode asked for") {
    const test::Scratch scratch;
    const std::string path = scratch / "s";
    REQUIRE(ListenUnix(path, SOCK_STREAM, 0600));  // closed at once: the file stays behind
    REQUIRE(Exists(path));
    const Fd listener = ListenUnix(path, SOCK_STREAM, 0660).value();
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0660);
    CHECK(ConnectUnix(path, SOCK_STREAM));
}

TEST_CASE("listening refuses a path that is served or is not a socket, and leaves it alone") {
    const test::Scratch scratch;
    const std::string path = scratch / "s";
    const Fd stream = ListenUnix(path, SOCK_STREAM, 0600).value();
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
        const auto second = ListenUnix(path, type, 0600);
        REQUIRE_FALSE(second);
        CHECK(second.error().code == EADDRINUSE);
        CHECK(second.error().message.find(path) != std::string::npos);
    }
    CHECK(ConnectUnix(path, SOCK_STREAM));
    REQUIRE(WriteFileAtomic(scratch / "file", "precious", 0600));
    CHECK_FALSE(ListenUnix(scratch / "file", SOCK_STREAM, 0600));
    CHECK(ReadFile(scratch / "file", 100) == "precious");
    CHECK_FALSE(ListenUnix(scratch / "no/such/directory", SOCK_STREAM, 0600));
}

TEST_CASE("a server whose queue is full is alive: its socket is not replaced") {
    const test::Scratch scratch;
    const std::string path = scratch / "s";
    const Fd server = ListenUnix(path, SOCK_STREAM, 0600).value();
    REQUIRE(::listen(server.get(), 0) == 0);
    const Fd waiting = ConnectUnix(path, SOCK_STREAM).value();  // fills the queue
    const auto second = ListenUnix(path, SOCK_STREAM, 0600);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EADDRINUSE);
}

TEST_CASE("socket paths of 107 bytes work, longer and empty ones are errors that say so") {
    const test::Scratch scratch;
    const std::string longest = scratch / std::string(107 - scratch.path().size() - 1, 'x');
    REQUIRE(longest.size() == 107);
    const Fd listener = ListenUnix(longest, SOCK_STREAM, 0600).value();
    CHECK(ConnectUnix(longest, SOCK_STREAM));
    for (const auto& result : {ListenUnix(longest + "x", SOCK_STREAM, 0600).error(),
                               ConnectUnix(longest + "x", SOCK_STREAM).error()}) {
        CHECK(result.code == ENAMETOOLONG);
        CHECK(result.message.find("at most 107") != std::string::npos);
    }
    CHECK_FALSE(ConnectUnix("", SOCK_STREAM));
}

TEST_CASE("connecting where nobody listens tells apart no file and no server") {
    const test::Scratch scratch;
    CHECK(ConnectUnix(scratch / "none", SOCK_STREAM).error().code == ENOENT);
    REQUIRE(ListenUnix(scratch / "stale", SOCK_STREAM, 0600));
    CHECK(ConnectUnix(scratch / "stale", SOCK_STREAM).error().code == ECONNREFUSED);
}

TEST_CASE("whole buffers go through a pipe, and reading stops at the limit") {
    FdPair pipe = MakePipe().value();
    const std::string sent(1 << 20, 'x');  // many times what a pipe holds
    std::thread writer([&, end = std::move(pipe.second)] { CHECK(WriteAll(end.get(), sent)); });
    CHECK(ReadAll(pipe.first.get(), sent.size()) == sent);
    writer.join();
    FdPair second = MakePipe().value();
    REQUIRE(WriteAll(second.second.get(), "12345"));
    CHECK(ReadAll(second.first.get(), 4).error().code == EFBIG);
    CHECK(WriteAll(pipe.first.get(), "x").error().code == EBADF);
}

TEST_CASE("descriptors travel with a message and work at the other side") {
    const FdPair sockets = MakeSocketPair(SOCK_SEQPACKET).value();
    FdPair pipe = MakePipe().value();
    const std::array<int, 2> fds{pipe.first.get(), pipe.second.get()};
    REQUIRE(SendWithFds(sockets.first.get(), "two", fds));
    REQUIRE(SendWithFds(sockets.first.get(), "none", {}));
    auto received = ReceiveWithFds(sockets.second.get(), 100).value();
    CHECK(received.bytes == "two");
    REQUIRE(received.fds.size() == 2);
    CHECK(IsCloseOnExec(received.fds[0]));
    pipe = {};
    REQUIRE(WriteAll(received.fds[1].get(), "hello"));
    received.fds[1].Reset();
    CHECK(ReadAll(received.fds[0].get(), 100) == "hello");
    received = ReceiveWithFds(sockets.second.get(), 100).value();
    CHECK(received.bytes == "none");
    CHECK(received.fds.empty());
}

TEST_CASE("a closed peer is an empty message, a longer one than allowed is an error") {
    FdPair sockets = MakeSocketPair(SOCK_SEQPACKET).value();
    const std::array<int, 1> fds{sockets.first.get()};
    REQUIRE(SendWithFds(sockets.first.get(), "12345", fds));
    CHECK_FALSE(ReceiveWithFds(sockets.second.get(), 4));
    sockets.first.Reset();
    const auto end = ReceiveWithFds(sockets.second.get(), 4);
    REQUIRE(end);
    CHECK(end->bytes.empty());
    CHECK_FALSE(SendWithFds(sockets.second.get(), "x", {}));  // an error, not a signal
}

TEST_CASE("more descriptors than a message can carry are refused, the most it can carry arrive") {
    const FdPair sockets = MakeSocketPair(SOCK_SEQPACKET).value();
    CHECK_FALSE(SendWithFds(sockets.first.get(), "x", std::vector<int>(254, 0)));
    REQUIRE(SendWithFds(sockets.first.get(), "x", std::vector<int>(253, 0)));
    CHECK(ReceiveWithFds(sockets.second.get(), 10)->fds.size() == 253);
}

TEST_CASE("descriptors that do not fit into this process are an error, not silently fewer") {
    const FdPair sockets = MakeSocketPair(SOCK_SEQPACKET).value();
    REQUIRE(SendWithFds(sockets.first.get(), "x", std::vector<int>(8, 0)));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const Fd next = sockets.first.Duplicate().value();  // the lowest number that is free
    const rlimit tight{static_cast<rlim_t>(next.get()) + 3, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    const auto received = ReceiveWithFds(sockets.second.get(), 10);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(received);
    CHECK(received.error().code == EMFILE);
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

// A shim on pipes, connected.
struct Rig {
    TempDirectory directory;
    ScriptedProxy proxy{directory / "proxy.sock"};
    FdPair in = MakePipe().value(), out = MakePipe().value(), err = MakePipe().value();
    Process shim;

    explicit Rig(std::vector<std::string> extra = {}) {
        auto arguments = ShimArguments(directory / "proxy.sock");
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        shim = StartShim(arguments, {in.first.get(), out.second.get(), err.second.get()});
        in.first.Reset();
        out.second.Reset();
        err.second.Reset();
        proxy.Accept();
    }
    int Exit(uint8_t status) {
        proxy.Send(EncodeProcessExited(status));
        proxy.ExpectGoodbye();
        return WaitExit(shim);
    }
};

// Not compressible into any repetition that would hide a lost or doubled piece.
std::string Noise(size_t count) {
    std::string bytes;
    uint64_t state = 88172645463325252ULL;
    while (bytes.size() < count) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.append(reinterpret_cast<const char*>(&state), sizeof state);
    }
    bytes.resize(count);
    return bytes;
}

}  // namespace

TEST_CASE("standard output and error arrive apart, NUL bytes included") {
    Rig rig;
    const std::string out("a\0b\nc", 5), err("\0!", 2);
    rig.proxy.Send(EncodeStream(StreamKind::kStdout, out) + EncodeStream(StreamKind::kStderr, err));
    CHECK(ReadBytes(rig.out.first.get(), out.size()) == out);
    CHECK(ReadBytes(rig.err.first.get(), err.size()) == err);
    CHECK(rig.Exit(0) == 0);
    CHECK(ReadBytes(rig.out.first.get(), 1).empty());
    CHECK(ReadBytes(rig.err.first.get(), 1).empty());
}

TEST_CASE("the shim ends with any exit code of its process") {
    for (const int status : {0, 1, 42, 127, 137, 255}) {
        Rig rig;
        CHECK(rig.Exit(static_cast<uint8_t>(status)) == status);
    }
}

TEST_CASE(
    "standard input goes to the proxy in frames a 3.0 proxy takes, and its end is one empty "
    "frame") {
    Rig rig;
    const std::string bytes = Noise(300000);
    std::thread writer([&] {
        CHECK(WriteAll(rig.in.second.get(), bytes));
        rig.in.second.Reset();
    });
    std::string got;
    while (true) {
        const auto frame = rig.proxy.Next();
        REQUIRE(frame);
        REQUIRE(frame->Is(StreamKind::kStdin));
        if (frame->payload.empty()) break;
        CHECK(frame->payload.size() <= 10228);
        got += frame->payload;
    }
    writer.join();
    CHECK(got == bytes);
    CHECK(rig.Exit(3) == 3);
}

TEST_CASE("twenty megabytes go through both ways unchanged, at the same time") {
    Rig rig;
    const std::string bytes = Noise(20 << 20);
    std::string echoed, received;
    std::thread writer([&] {
        CHECK(WriteAll(rig.in.second.get(), bytes));
        rig.in.second.Reset();
    });
    std::thread reader([&] { received = ReadBytes(rig.out.first.get(), bytes.size()); });
    while (true) {
        const auto frame = rig.proxy.Next();
        REQUIRE(frame);
        if (!frame->Is(StreamKind::kStdin) || frame->payload.empty()) break;
        echoed += frame->payload;
        rig.proxy.Send(EncodeStream(StreamKind::kStdout, frame->payload));
    }
    writer.join();
    CHECK(rig.Exit(0) == 0);
    reader.join();
    CHECK((echoed == bytes));
    CHECK((received == bytes));
}

TEST_CASE("a reader that does not read holds up its own output only, and loses none of it") {
    Rig rig;
    const std::string piece = Noise(32768);
    size_t sent = 0;
    // Until the shim stops taking: its queue is bounded.
    REQUIRE(SetNonBlocking(rig.proxy.peer()));
    const std::string frame = EncodeStream(StreamKind::kStdout, piece);
    std::string rest;
    for (int quiet = 0; quiet < 20 && sent < (64 << 20);) {
        if (rest.empty()) rest = frame;
        const ssize_t count = ::write(rig.proxy.peer(), rest.data(), rest.size());
        if (count > 0) {
            rest.erase(0, static_cast<size_t>(count));
            if (rest.empty()) sent += piece.size();
            quiet = 0;
        } else {
            ++quiet;
            ::usleep(10000);
        }
    }
    CHECK(sent > 0);
    CHECK(sent < (16 << 20));
    // Signals and standard input go on meanwhile.
    REQUIRE(rig.shim.Signal(SIGUSR1));
    REQUIRE(WriteAll(rig.in.second.get(), "typed"));
    bool signalled = false, typed = false;
    for (int i = 0; i < 2; ++i) {
        const auto got = rig.proxy.Next();
        REQUIRE(got);
        signalled = signalled || got->Is(ClientCommand::kSignal);
        typed = typed || (got->Is(StreamKind::kStdin) && got->payload == "typed");
    }
    CHECK(signalled);
    CHECK(typed);
    // Now the reader reads: all of it is there, in order, before the shim ends.
    std::string received;
    const size_t total = sent + (rest.empty() ? 0 : piece.size());
    std::thread reader([&] { received = ReadBytes(rig.out.first.get(), total); });
    ::fcntl(rig.proxy.peer(), F_SETFL, 0);
    rig.proxy.Send(rest);
    CHECK(rig.Exit(9) == 9);
    reader.join();
    REQUIRE(received.size() == total);
    for (size_t at = 0; at < total; at += piece.size())
        if (received.compare(at, piece.size(), piece) != 0) FAIL("output differs at ", at);
}

TEST_CASE("the shim ends only after its last byte was taken") {
    Rig rig;
    const std::string bytes = Noise(4 << 20);
    std::thread sender([&] {
        for (size_t at = 0; at < bytes.size(); at += 32768)
            rig.proxy.Send(
                EncodeStream(StreamKind::kStdout, std::string_view(bytes).substr(at, 32768)));
        rig.proxy.Send(EncodeStream(StreamKind::kStderr, "!") + EncodeProcessExited(7));
    });
    CHECK_FALSE(rig.shim.WaitEnd(std::chrono::milliseconds(200)).value());
    CHECK((ReadBytes(rig.out.first.get(), bytes.size()) == bytes));
    CHECK(ReadBytes(rig.err.first.get(), 1) == "!");
    sender.join();
    CHECK(WaitExit(rig.shim) == 7);
}

TEST_CASE("every signal that can be forwarded is, by its number") {
    Rig rig;
    for (const int signal :
         {SIGHUP,  SIGINT,    SIGQUIT,   SIGTRAP, SIGABRT, SIGUSR1, SIGUSR2, SIGALRM,
          SIGTERM, SIGSTKFLT, SIGCHLD,   SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,
          SIGXCPU, SIGXFSZ,   SIGVTALRM, SIGPROF, SIGIO,   SIGPWR}) {
        CAPTURE(signal);
        REQUIRE(rig.shim.Signal(signal));
        const auto frame = rig.proxy.Next();
        REQUIRE(frame);
        REQUIRE(frame->Is(ClientCommand::kSignal));
        CHECK(frame->payload == Cat("{\"signalNumber\":", signal, "}"));
        rig.proxy.Send(EncodeResponse(ClientCommand::kSignal, EncodeErrorText("no"), true));
    }
    CHECK(rig.Exit(0) == 0);
    // An answer of error to a signal is no one's output.
    CHECK(ReadBytes(rig.err.first.get(), 1).empty());
}

TEST_CASE("a reader that left does not end the shim") {
    Rig rig;
    rig.out.first.Reset();
    for (int i = 0; i < 10; ++i)
        rig.proxy.Send(EncodeStream(StreamKind::kStdout, "into the void"));
    rig.proxy.Send(EncodeStream(StreamKind::kStderr, "still here"));
    CHECK(ReadBytes(rig.err.first.get(), 10) == "still here");
    CHECK(rig.Exit(5) == 5);
}

TEST_CASE("standard input may be a file, /dev/null or a socket, and output a file") {
    TempDirectory directory;
    REQUIRE(WriteFileAtomic(directory / "in", Noise(100000), 0600));
    for (const std::string& name : {directory / "in", std::string("/dev/null")}) {
        CAPTURE(name);
        ScriptedProxy proxy(directory / "proxy.sock");
        const Fd in = OpenFile(name, O_RDONLY).value();
        const Fd out = OpenFile(directory / "out", O_RDWR | O_CREAT | O_TRUNC, 0600).value();
        Process shim =
            StartShim(ShimArguments(directory / "proxy.sock"), {in.get(), out.get(), -1});
        proxy.Accept();
        std::string got;
        for (auto frame = proxy.Next(); frame && !frame->payload.empty(); frame = proxy.Next())
            got += frame->payload;
        CHECK((got == ReadFile(name, 1 << 20).value()));
        proxy.Send(EncodeStream(StreamKind::kStdout, "to a file") + EncodeProcessExited(0));
        proxy.ExpectGoodbye();
        CHECK(WaitExit(shim) == 0);
        CHECK(ReadFile(directory / "out", 100).value() == "to a file");
        proxy.StopListening();
    }
    ScriptedProxy proxy(directory / "proxy.sock");
    FdPair pair = MakeSocketPair(SOCK_STREAM).value();
    Process shim = StartShim(ShimArguments(directory / "proxy.sock"),
                             {pair.second.get(), pair.second.get(), -1});
    pair.second.Reset();
    proxy.Accept();
    REQUIRE(WriteAll(pair.first.get(), "hello"));
    CHECK(proxy.Next()->payload == "hello");
    proxy.Send(EncodeStream(StreamKind::kStdout, "answer"));
    CHECK(ReadBytes(pair.first.get(), 6) == "answer");
    proxy.Send(EncodeProcessExited(0));
    CHECK(WaitExit(shim) == 0);
}

TEST_CASE("descriptors that others share stay blocking") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    FdPair pipe = MakePipe().value();
    FdPair sockets = MakeSocketPair(SOCK_STREAM).value();
    Process shim = StartShim(ShimArguments(directory / "proxy.sock"),
                             {pipe.first.get(), sockets.second.get(), -1});
    proxy.Accept();
    proxy.Send(EncodeStream(StreamKind::kStdout, "x"));
    CHECK(ReadBytes(sockets.first.get(), 1) == "x");
    CHECK((::fcntl(pipe.first.get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK((::fcntl(sockets.second.get(), F_GETFL) & O_NONBLOCK) == 0);
    proxy.Send(EncodeProcessExited(0));
    CHECK(WaitExit(shim) == 0);
}

TEST_CASE("a terminal is raw while the container has it, tells its size, and is given back") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    int master = -1, slave = -1;
    winsize size{33, 101, 0, 0};
    REQUIRE(::openpty(&master, &slave, nullptr, nullptr, &size) == 0);
    const Fd own_master = Fd::Adopt(master), own_slave = Fd::Adopt(slave);
    Process shim =
        StartShim(ShimArguments(directory / "proxy.sock"), {slave, slave, slave, -1, true});
    proxy.Accept();
    auto frame = proxy.Next();
    REQUIRE(frame);
    CHECK(frame->Is(ClientCommand::kSignal));
    const auto first = ParseSignal(frame->payload).value();
    CHECK(first.number == SIGWINCH);
    CHECK(first.rows == 33);
    CHECK(first.columns == 101);
    termios mode{};
    REQUIRE(::tcgetattr(slave, &mode) == 0);
    CHECK((mode.c_lflag & (ICANON | ECHO | ISIG)) == 0);
    size.ws_row = 50;
    REQUIRE(::ioctl(master, TIOCSWINSZ, &size) == 0);
    frame = proxy.Next();
    REQUIRE(frame);
    CHECK(ParseSignal(frame->payload).value().rows == 50);
    REQUIRE(WriteAll(master, "\x03"));
    frame = proxy.Next();
    REQUIRE(frame);
    CHECK(frame->Is(StreamKind::kStdin));
    CHECK(frame->payload == "\x03");
    proxy.Send(EncodeProcessExited(0));
    CHECK(WaitExit(shim) == 0);
    REQUIRE(::tcgetattr(slave, &mode) == 0);
    CHECK((mode.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
}

TEST_CASE("without a terminal in the container, the one on standard input stays as it is") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    int master = -1, slave = -1;
    REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
    const Fd own_master = Fd::Adopt(master), own_slave = Fd::Adopt(slave);
    auto arguments = ShimArguments(directory / "proxy.sock");
    arguments.emplace_back("--no-terminal");
    Process shim = StartShim(arguments, {slave, slave, slave, -1, true});
    proxy.Accept();
    REQUIRE(WriteAll(master, "\x03"));  // Ctrl-C: still a signal
    const auto frame = proxy.Next();
    REQUIRE(frame);
    CHECK(frame->payload == Cat("{\"signalNumber\":", SIGINT, "}"));
    proxy.Send(EncodeProcessExited(0));
    CHECK(WaitExit(shim) == 0);
}

}  // namespace cc::test

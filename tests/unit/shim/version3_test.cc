// SPDX-License-Identifier: Apache-2.0
// A real shim and a scripted proxy of protocol version 3.
#include <csignal>
#include <thread>

#include <doctest/doctest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "shim/output_window.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

constexpr uint64_t kWide = 1 << 20;

// A shim on pipes that has met a proxy of version 3.
struct Rig3 {
    TempDirectory directory;
    ScriptedProxy proxy{directory / "proxy.sock", kClientVersion3};
    FdPair in = MakePipe().value(), out = MakePipe().value(), err = MakePipe().value();
    Process shim;
    ConnectShim introduction;

    explicit Rig3(const StreamWindow& standard_input = {0, kWide},
                  const std::vector<std::string>& extra = {}) {
        auto arguments = ShimArguments(directory / "proxy.sock");
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        shim = StartShim(arguments, {in.first.get(), out.second.get(), err.second.get()});
        out.second.Reset();
        err.second.Reset();
        introduction = proxy.Accept(standard_input);
    }
    void SendOutput(uint64_t offset, std::string_view bytes, bool end = false) {
        proxy.Send(EncodeStreamAt(StreamKind::kStdout, offset, bytes, end));
    }
    // Until the shim has done with all that it was sent so far.
    void Settle() {
        proxy.Send(EncodeStreamAt(StreamKind::kStderr, settled_, ".", false));
        CHECK(proxy.NextWindow(StreamKind::kStderr).offset == ++settled_);
    }
    void Notify(Notification notification, const ProcessEnd& end) {
        proxy.Send(EncodeNotification(notification, Encode(end)));
    }
    void MoveInput(const StreamWindow& window) {
        proxy.Send(EncodeNotification(Notification::kWindow,
                                      Encode(WindowUpdate{StreamKind::kStdin, window})));
    }
    int Exit(const ProcessEnd& end) {
        Notify(Notification::kProcessExited, end);
        proxy.ExpectGoodbye();
        return WaitExit(shim);
    }

  private:
    uint64_t settled_ = 0;
};

std::string Numbers(size_t count) {
    std::string bytes;
    for (size_t i = 0; bytes.size() < count; ++i)
        bytes += Cat(i, " ");
    bytes.resize(count);
    return bytes;
}

int Waiting(int pipe) {
    int count = -1;
    REQUIRE(::ioctl(pipe, FIONREAD, &count) == 0);
    return count;
}

}  // namespace

TEST_CASE("a shim begins with version 3, its windows at 0 and a quarter of a megabyte wide") {
    Rig3 rig;
    CHECK(rig.introduction.standard_output.offset == 0);
    CHECK(rig.introduction.standard_output.limit == 256 * 1024);
    CHECK(rig.introduction.standard_error.limit == 256 * 1024);
    CHECK(rig.Exit({137, 9}) == 137);
}

TEST_CASE("a proxy that closes the connection is spoken to in version 2 from then on") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock");
    Process shim = StartShim(ShimArguments(directory / "proxy.sock"), {});
    proxy.Accept();
    proxy.Hang();
    proxy.Accept();
    CHECK(proxy.turned_away() == 1);
    proxy.Send(EncodeProcessExited(3));
    CHECK(WaitExit(shim) == 3);
}

TEST_CASE("a proxy that has gone before it answered is not taken for one of version 2") {
    TempDirectory directory;
    ScriptedProxy proxy(directory / "proxy.sock", kClientVersion3);
    FdPair err = MakePipe().value();
    Process shim = StartShim(ShimArguments(directory / "proxy.sock"), {-1, -1, err.second.get()});
    err.second.Reset();
    REQUIRE(proxy.HasCaller(10000));
    proxy.StopListening();
    CHECK(WaitExit(shim) == 1);
    CHECK(ReadBytes(err.first.get(), 4096).starts_with("cc-shim: connecting container box"));
}

TEST_CASE(
    "output is acknowledged when it was written, a reader that has gone counts as one that read") {
    Rig3 rig;
    rig.SendOutput(0, "hello ");
    CHECK(rig.proxy.NextWindow(StreamKind::kStdout).offset == 6);
    CHECK(ReadBytes(rig.out.first.get(), 6) == "hello ");
    rig.out.first.Reset();
    rig.SendOutput(6, "void", true);
    const auto window = rig.proxy.NextWindow(StreamKind::kStdout);
    CHECK(window.offset == 10);
    CHECK(window.limit == 10 + 256 * 1024);
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("many small messages that come together cost a few acknowledgements") {
    Rig3 rig;
    std::string frames;
    for (uint64_t i = 0; i < 1000; ++i)
        frames += EncodeStreamAt(StreamKind::kStdout, i, "x", false);
    rig.proxy.Send(frames);
    int windows = 1;
    while (rig.proxy.NextWindow(StreamKind::kStdout).offset < 1000)
        ++windows;
    CHECK(windows < 10);
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("a slow reader gets his window moved as he reads, and loses nothing") {
    Rig3 rig;
    const std::string bytes = Numbers(2 << 20);
    uint64_t sent = 0, limit = rig.introduction.standard_output.limit;
    const auto send = [&] {
        for (size_t size = 0; sent < std::min<uint64_t>(limit, bytes.size()); sent += size) {
            size = std::min<uint64_t>(10000, std::min<uint64_t>(limit, bytes.size()) - sent);
            rig.SendOutput(sent, std::string_view(bytes).substr(sent, size));
        }
    };
    send();
    // Nobody reads yet: what the pipe does not hold waits in the shim.
    rig.Settle();
    uint64_t written = 0;
    std::string got;
    std::thread reader([&] { got = ReadBytes(rig.out.first.get(), bytes.size()); });
    while (written < bytes.size()) {
        const auto window = rig.proxy.NextWindow(StreamKind::kStdout);
        CHECK(window.offset > written);
        CHECK(window.offset <= sent);
        CHECK(window.limit == window.offset + kStreamWindow);
        written = window.offset;
        limit = window.limit;
        send();
    }
    reader.join();
    CHECK((got == bytes));
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("a slow reader of one stream does not hold back the other") {
    Rig3 rig;
    const std::string bytes = Numbers(256 * 1024);
    for (size_t at = 0; at < bytes.size(); at += 65536)
        rig.SendOutput(at, std::string_view(bytes).substr(at, 65536));
    const std::string other = Numbers(200000);
    for (size_t at = 0; at < other.size(); at += 50000)
        rig.proxy.Send(EncodeStreamAt(StreamKind::kStderr, at,
                                      std::string_view(other).substr(at, 50000), false));
    CHECK((ReadBytes(rig.err.first.get(), other.size()) == other));
    CHECK((ReadBytes(rig.out.first.get(), bytes.size()) == bytes));
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("output goes on where it was, wherever the connection is lost") {
    Rig3 rig;
    const std::string bytes = Numbers(150);
    uint64_t sent = 0;
    for (uint64_t cut = 7; cut < bytes.size(); cut += 7) {
        const std::string frame = EncodeStreamAt(StreamKind::kStdout, sent,
                                                 std::string_view(bytes).substr(sent, 10), false);
        // Every other time the last frame is cut in its middle.
        rig.proxy.Send(cut % 2 == 0 ? frame : frame.substr(0, 12 + cut % 18));
        rig.proxy.Hang();
        const auto resumed = rig.proxy.Accept({0, kWide});
        CHECK(resumed.standard_output.offset >= sent);
        CHECK(resumed.standard_output.offset <= std::min<uint64_t>(sent + 10, bytes.size()));
        sent = resumed.standard_output.offset;
        // Some of it again, and some that lies beyond a gap.
        const uint64_t again = sent - std::min<uint64_t>(sent, 5);
        rig.SendOutput(sent + 1, "beyond");
        rig.SendOutput(again, std::string_view(bytes).substr(again, 8));
        sent = std::max<uint64_t>(sent, std::min<uint64_t>(again + 8, bytes.size()));
    }
    rig.SendOutput(sent, std::string_view(bytes).substr(sent), true);
    CHECK(rig.Exit({5, 0}) == 5);
    CHECK(ReadBytes(rig.out.first.get(), 4096) == bytes);
}

TEST_CASE("a reader that does not read is no reason to be sent again what waits for him") {
    Rig3 rig;
    const std::string bytes = Numbers(200000);
    for (size_t at = 0; at < bytes.size(); at += 50000)
        rig.SendOutput(at, std::string_view(bytes).substr(at, 50000));
    rig.Settle();
    rig.proxy.Hang();
    const auto resumed = rig.proxy.Accept({0, kWide});
    CHECK(resumed.standard_output.offset <= 65536);
    // A proxy that does send it again changes nothing.
    for (size_t at = resumed.standard_output.offset; at < bytes.size(); at += 50000)
        rig.SendOutput(at, std::string_view(bytes).substr(at, 50000));
    CHECK((ReadBytes(rig.out.first.get(), bytes.size()) == bytes));
    CHECK(rig.Exit({0, 0}) == 0);
    CHECK(ReadBytes(rig.out.first.get(), 1).empty());
}

TEST_CASE("standard input is read and sent within the window only") {
    Rig3 rig({0, 0});
    const std::string bytes = Numbers(1000);
    REQUIRE(WriteAll(rig.in.second.get(), bytes));
    rig.in.second.Reset();
    // A signal goes out although the process does not run yet, and no input before it.
    REQUIRE(rig.shim.Signal(SIGUSR1));
    CHECK(rig.proxy.Next()->Is(ClientCommand::kSignal));
    CHECK(Waiting(rig.in.first.get()) == 1000);
    uint64_t got = 0;
    for (const uint64_t limit : {1U, 5U, 6U, 500U, 1000U}) {
        rig.MoveInput({got, limit});
        CHECK(rig.proxy.Input(got, limit - got) == bytes.substr(got, limit - got));
        got = limit;
        CHECK(Waiting(rig.in.first.get()) == static_cast<int>(1000 - limit));
    }
    rig.MoveInput({1000, 1001});
    bool end = false;
    CHECK(rig.proxy.Input(1000, 1, &end).empty());
    CHECK(end);
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("input goes on where the process has it, wherever the connection is lost") {
    Rig3 rig;
    const std::string bytes = Numbers(150);
    uint64_t taken = 0;
    for (uint64_t cut = 0; cut < bytes.size(); cut += 7) {
        REQUIRE(WriteAll(rig.in.second.get(), std::string_view(bytes).substr(cut, 7)));
        const uint64_t read = std::min<uint64_t>(cut + 7, bytes.size());
        CHECK(rig.proxy.Input(cut, read - cut) == bytes.substr(cut, read - cut));
        rig.proxy.Hang();
        // The process has some of what was sent, or none.
        if (cut % 2 == 0) taken = read - 2 - cut % 4;
        rig.proxy.Accept({taken, kWide});
        CHECK(rig.proxy.Input(taken, read - taken) == bytes.substr(taken, read - taken));
    }
    rig.in.second.Reset();
    bool end = false;
    CHECK(rig.proxy.Input(bytes.size(), 1, &end).empty());
    CHECK(end);
    // The end is told again on another connection, and only there.
    rig.proxy.Hang();
    rig.proxy.Accept({bytes.size() - 2, kWide});
    end = false;
    CHECK(rig.proxy.Input(bytes.size() - 2, 2, &end) == bytes.substr(bytes.size() - 2));
    if (!end) rig.proxy.Input(bytes.size(), 1, &end);
    CHECK(end);
    rig.MoveInput({bytes.size(), kWide});
    REQUIRE(rig.shim.Signal(SIGUSR1));
    CHECK(rig.proxy.Next()->Is(ClientCommand::kSignal));
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("megabytes of input survive a proxy that dies again and again") {
    Rig3 rig({0, 50000});
    const std::string bytes = Numbers(1 << 20);
    std::thread writer([&] {
        CHECK(WriteAll(rig.in.second.get(), bytes));
        rig.in.second.Reset();
    });
    std::string got;
    bool end = false;
    for (int round = 1; !end; ++round) {
        got += rig.proxy.Input(got.size(), 10000, &end);
        if (round % 20 == 0 && !end) {
            rig.proxy.Hang();
            rig.proxy.Accept({got.size(), got.size() + 50000});
        } else {
            rig.MoveInput({got.size(), got.size() + 50000});
        }
    }
    writer.join();
    CHECK((got == bytes));
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE(
    "the end of the process comes before its output's, and is the status for who wants the shim "
    "gone") {
    Rig3 rig;
    const std::string bytes = Numbers(200000);
    for (size_t at = 0; at < bytes.size(); at += 50000)
        rig.SendOutput(at, std::string_view(bytes).substr(at, 50000));
    rig.Notify(Notification::kProcessEnded, {143, 15});
    CHECK_FALSE(rig.shim.WaitEnd(std::chrono::milliseconds(100)).value());
    REQUIRE(rig.shim.Signal(SIGTERM));
    CHECK(WaitExit(rig.shim) == 143);
}

TEST_CASE("after an early end output still comes, and the shim ends after it") {
    Rig3 rig;
    rig.SendOutput(0, "one ");
    rig.Notify(Notification::kProcessEnded, {7, 0});
    rig.SendOutput(4, "two", true);
    CHECK(ReadBytes(rig.out.first.get(), 7) == "one two");
    while (rig.proxy.NextWindow(StreamKind::kStdout).offset < 7) {
    }
    // Nothing of it waits: whoever wants to end the process gets an answer from the guest.
    REQUIRE(rig.shim.Signal(SIGTERM));
    CHECK(rig.proxy.Next()->Is(ClientCommand::kSignal));
    rig.proxy.Hang();
    rig.proxy.Accept({0, kWide});
    CHECK(rig.Exit({7, 0}) == 7);
}

TEST_CASE("the shim ends only after its last byte was taken, whatever the proxy says") {
    Rig3 rig;
    const std::string bytes = Numbers(200000);
    for (size_t at = 0; at < bytes.size(); at += 50000)
        rig.SendOutput(at, std::string_view(bytes).substr(at, 50000));
    rig.Notify(Notification::kProcessExited, {9, 0});
    rig.Notify(Notification::kProcessExited, {9, 0});
    CHECK_FALSE(rig.shim.WaitEnd(std::chrono::milliseconds(100)).value());
    CHECK((ReadBytes(rig.out.first.get(), bytes.size()) == bytes));
    CHECK(WaitExit(rig.shim) == 9);
}

TEST_CASE("a VM that ended is 137, unless the process's own status is known") {
    for (const auto code : {ErrorCode::kVmLost, ErrorCode::kUnknownToken})
        for (const bool ended : {false, true}) {
            Rig3 rig;
            if (ended) rig.Notify(Notification::kProcessEnded, {6, 0});
            rig.SendOutput(0, "x");
            CHECK(rig.proxy.NextWindow(StreamKind::kStdout).offset == 1);
            rig.proxy.Hang();
            rig.proxy.AcceptAndRefuse("in no one's words", code);
            CHECK(ReadBytes(rig.err.first.get(), 4096) ==
                  "cc-shim: the virtual machine of container box has ended\n");
            CHECK(WaitExit(rig.shim) == (ended ? 6 : 137));
        }
}

TEST_CASE("a proxy that has not noticed that the last connection ended is asked again") {
    Rig3 rig;
    rig.proxy.Hang();
    rig.proxy.AcceptAndRefuse("still connected", ErrorCode::kTokenInUse);
    rig.proxy.Accept({0, kWide});
    CHECK(rig.Exit({0, 0}) == 0);
}

TEST_CASE("nonsense from the proxy ends the connection, not the shim") {
    Rig3 rig;
    rig.SendOutput(0, "sense ");
    rig.proxy.Send(EncodeNotification(Notification::kWindow, "nonsense"));
    rig.proxy.Send(EncodeNotification(Notification::kProcessExited, ""));
    rig.proxy.Send(EncodeStream(StreamKind::kStdout, "of another version"));
    rig.proxy.Accept({0, kWide});
    rig.SendOutput(0, "sense and more");
    CHECK(ReadBytes(rig.out.first.get(), 14) == "sense and more");
    CHECK(rig.Exit({0, 0}) == 0);
}

}  // namespace cc::test

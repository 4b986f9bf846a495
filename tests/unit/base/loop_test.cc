// SPDX-License-Identifier: Apache-2.0
#include "base/uv/loop.h"

#include <csignal>
#include <optional>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/fd.h"

namespace cc::uv {

using namespace std::chrono_literals;

TEST_CASE("who goes on in the next turn leaves one to everybody else") {
    Loop loop;
    const auto pipe = MakePipe().value();
    REQUIRE(WriteAll(pipe.second.get(), "x"));
    int turns = 0, seen_at = 0;
    std::optional<NextTurn> next;
    next.emplace(loop, [&] {
        if (++turns < 100) next->Start();
    });
    Poll readable(loop, [&](int) {
        seen_at = turns;
        readable.Stop();
    });
    REQUIRE(readable.Open(pipe.first.get()));
    readable.Start(UV_READABLE);
    next->Start();
    loop.Run();
    CHECK(turns == 100);
    CHECK(seen_at == 1);
}

TEST_CASE("a timer fires once, in the order of the delays, and restarting it starts anew") {
    Loop loop;
    std::string order;
    Timer late(loop, [&] { order += "late "; });
    Timer early(loop, [&] { order += "early "; });
    Timer moved(loop, [&] { order += "moved "; });
    late.Start(20ms);
    early.Start(1ms);
    moved.Start(0ms);
    moved.Start(40ms);
    CHECK(moved.active());
    loop.Run();
    CHECK(order == "early late moved ");
    CHECK_FALSE(moved.active());
}

TEST_CASE("a repeating timer fires until it is stopped, also from its own callback") {
    Loop loop;
    int count = 0;
    Timer timer(loop, [&] {
        if (++count == 3) timer.Stop();
    });
    timer.Start(0ms, 1ms);
    loop.Run();
    CHECK(count == 3);
}

TEST_CASE("an owner may die inside its own callback and the callback still has its captures") {
    Loop loop;
    std::optional<Timer> timer;
    std::string seen;
    const std::string captured(100, 'x');  // not within the function object itself
    timer.emplace(loop, [&, captured] {
        timer.reset();
        seen = captured;
    });
    timer->Start(0ms);
    loop.Run();
    CHECK(seen == captured);
}

TEST_CASE("an owner that dies before its turn is not called any more") {
    Loop loop;
    bool called = false;
    std::optional<Timer> victim;
    victim.emplace(loop, [&] { called = true; });
    Timer killer(loop, [&] { victim.reset(); });
    killer.Start(0ms);
    victim->Start(0ms);
    loop.Run();
    CHECK_FALSE(called);
}

TEST_CASE("signals arrive in the loop, at every watch of theirs") {
    Loop loop;
    int first = 0, second = 0;
    SignalWatch a(loop, [&](int signal) { first = signal; });
    std::optional<SignalWatch> b;
    b.emplace(loop, [&](int signal) {
        second = signal;
        b.reset();
        loop.Stop();
    });
    REQUIRE(a.Start(SIGUSR1));
    REQUIRE(b->Start(SIGUSR1));
    ::kill(::getpid(), SIGUSR1);
    loop.Run();
    CHECK(first == SIGUSR1);
    CHECK(second == SIGUSR1);
    SignalWatch impossible(loop, [](int) {});
    const auto failed = impossible.Start(SIGKILL);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.starts_with("watching for signal 9: "));
    CHECK(failed.error().code == EINVAL);
}

TEST_CASE("readiness is reported for the events asked for, and for no others") {
    Loop loop;
    const FdPair sockets = MakeSocketPair(SOCK_STREAM).value();
    int seen = -1;
    Poll poll(loop, [&](int events) {
        seen = events;
        loop.Stop();
    });
    REQUIRE(poll.Open(sockets.first.get()));
    poll.Start(UV_WRITABLE);
    CHECK(poll.events() == UV_WRITABLE);
    loop.Run();
    CHECK(seen == UV_WRITABLE);
    REQUIRE(WriteAll(sockets.second.get(), "x"));
    poll.Start(UV_READABLE);
    loop.Run();
    CHECK(seen == UV_READABLE);
    poll.Stop();
    seen = -1;
    loop.Run();  // nothing is active: it returns
    CHECK(seen == -1);
}

TEST_CASE("a descriptor that cannot be polled is an error, and its owner may go") {
    Loop loop;
    const Fd file = OpenFile("/proc/self/exe", O_RDONLY).value();
    Poll poll(loop, [](int) {});
    CHECK_FALSE(poll.Open(file.get()));
    CHECK_FALSE(poll.Open(-1));
    poll.Stop();
}

TEST_CASE("a loop that was stopped while it did not run still pays all closes that are owed") {
    Loop loop;
    {
        Timer timer(loop, [] {});
        timer.Start(1h);
    }
    loop.Stop();
    // AddressSanitizer would report the handle's memory if the destructor did not run the close.
}

}  // namespace cc::uv

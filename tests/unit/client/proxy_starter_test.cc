// SPDX-License-Identifier: Apache-2.0
// Proxies that are started from an event loop: small scripts play them.
#include "client/proxy_starter.h"

#include <csignal>

#include <doctest/doctest.h>
#include <sys/socket.h>

#include "base/text.h"
#include "tests/scratch.h"

namespace cc {
namespace {

constexpr std::chrono::seconds kStarterPatience{20};

struct ScriptedStart {
    test::Scratch scratch;
    uv::Loop loop;
    ProxyStarter starter{loop};
    uv::Timer impatience{loop, [this] { loop.Stop(); }};

    // A program that notes its start and goes on with `script`.
    ProxyAddress Proxy(const std::string& script) const {
        const std::string path = scratch / "cc-proxy";
        REQUIRE(WriteFileAtomic(
            path, Cat("#!/bin/sh\necho $$ >> ", scratch / "starts", "\n", script, "\n"), 0755));
        return {.socket = scratch / "proxy.sock", .executable = path};
    }
    std::vector<pid_t> Starts() const {
        std::vector<pid_t> pids;
        const auto text = ReadFile(scratch / "starts", 1 << 20);
        for (const auto& line : Split(text.value_or(""), '\n'))
            if (const auto pid = ParseNumber<pid_t>(line)) pids.push_back(*pid);
        return pids;
    }
    // Until `over` says so, after each turn, or the patience has run out.
    template <class Over>
    bool RunUntil(const Over& over) {
        const auto end = std::chrono::steady_clock::now() + kStarterPatience;
        while (!over() && std::chrono::steady_clock::now() < end) {
            impatience.Start(std::chrono::milliseconds(10));
            loop.Run();
        }
        return over();
    }
    Result<void> Start(const ProxyAddress& address) {
        std::optional<Result<void>> how;
        starter.Start(address, [&](const Result<void>& done) { how = done; });
        REQUIRE(RunUntil([&] { return how.has_value(); }));
        return *how;
    }
};

const std::string kSaysSo = "echo >&3\nexec sleep 1000 3>&-";

}  // namespace

TEST_CASE("a proxy that is started is reaped when it ends, and may be followed by another") {
    ScriptedStart rig;
    const ProxyAddress proxy = rig.Proxy(kSaysSo);
    for (size_t count = 1; count <= 2; ++count) {
        REQUIRE(rig.Start(proxy));
        REQUIRE(rig.Starts().size() == count);
        const pid_t pid = rig.Starts().back();
        CHECK(Exists(Cat("/proc/", pid)));
        REQUIRE(::kill(pid, SIGKILL) == 0);
        CHECK(rig.RunUntil([&] { return !Exists(Cat("/proc/", pid)); }));
    }
}

TEST_CASE("who asks while a proxy is on its way waits for that one") {
    ScriptedStart rig;
    const std::string go = rig.scratch / "go";
    const ProxyAddress proxy =
        rig.Proxy(Cat("while [ ! -e ", go, " ]; do sleep 0.01; done\n", kSaysSo));
    int answers = 0;
    for (int i = 0; i < 3; ++i)
        rig.starter.Start(proxy, [&](const Result<void>& how) { answers += how ? 1 : 100; });
    CHECK(rig.RunUntil([&] { return rig.Starts().size() == 1; }));
    CHECK(answers == 0);
    REQUIRE(WriteFileAtomic(go, "", 0600));
    CHECK(rig.RunUntil([&] { return answers == 3; }));
    REQUIRE(rig.Starts().size() == 1);
    ::kill(rig.Starts().front(), SIGKILL);
}

TEST_CASE("a proxy that says why it cannot run is ended, and one without a word is told apart") {
    ScriptedStart rig;
    const auto refused = rig.Start(rig.Proxy("echo 'no space left' >&3; exec sleep 1000 3>&-"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "starting cc-proxy: no space left");
    CHECK(refused.error().code == 0);
    const auto silent = rig.Start(rig.Proxy("exit 1"));
    REQUIRE_FALSE(silent);
    CHECK(silent.error().code == ECONNRESET);
    const auto missing =
        rig.Start({.socket = rig.scratch / "proxy.sock", .executable = rig.scratch / "nothing"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == 0);
    for (const pid_t pid : rig.Starts())
        CHECK_FALSE(Exists(Cat("/proc/", pid)));
}

TEST_CASE("where somebody else is starting a proxy, or one listens, none is started") {
    ScriptedStart rig;
    const ProxyAddress proxy = rig.Proxy(kSaysSo);
    {
        const auto lock = FileLock::Acquire(proxy.socket + ".lock", FileLock::Mode::kExclusive,
                                            std::chrono::milliseconds(0));
        REQUIRE(lock);
        CHECK(rig.Start(proxy));
    }
    const auto listener = ListenUnix(proxy.socket, SOCK_STREAM, 0600);
    REQUIRE(listener);
    CHECK(rig.Start(proxy));
    CHECK(rig.Starts().empty());
}

}  // namespace cc

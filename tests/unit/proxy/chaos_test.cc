// SPDX-License-Identifier: Apache-2.0
// From fixed seeds: nothing may crash, no bound may be passed, and when all have gone nothing may
// be left. And what the named seeds of the fuzzer are named after does happen in them.
#include "tests/unit/proxy/chaos.h"

#include <random>

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/data.h"

namespace cc::proxy {

namespace {

// What clients hear in all when the fuzzer's seed of this name is gone through.
std::string HeardInSeed(const std::string& name) {
    const auto seed = ReadFile(test::TestData(Cat("../../fuzz/hub/seeds/", name)), 1 << 20);
    REQUIRE_MESSAGE(seed, seed.error().message);
    BytesAsDice bytes(*seed);
    Chaos chaos([&](uint64_t below) { return bytes.Pick(below); });
    std::string heard;
    chaos.on_heard = [&](std::string_view piece) { heard += piece; };
    while (!bytes.empty()) {
        const std::string broken = chaos.Step();
        CHECK_MESSAGE(broken.empty(), broken);
    }
    const std::string left = chaos.End();
    CHECK_MESSAGE(left.empty(), left);
    return heard;
}

size_t CountIn(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

}  // namespace

TEST_CASE("whatever happens in whatever order, nothing is left in the end") {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Chaos chaos([&](uint64_t below) {
            return std::uniform_int_distribution<uint64_t>(0, below - 1)(random);
        });
        for (int i = 0; i < 1500; ++i) {
            const std::string broken = chaos.Step();
            REQUIRE_MESSAGE(broken.empty(), broken);
        }
        const std::string left = chaos.End();
        CHECK_MESSAGE(left.empty(), left);
    }
}

TEST_CASE("what crashed or hung 3.0's proxy happens in the fuzzer's seeds of these names") {
    // A container has been started in each: one of the commands that succeed.
    struct Seed {
        std::string name;
        const char* says;  // to a client
        size_t commands;   // that succeed, the last behind what broke 3.0
    };
    const Seed seeds[] = {
        {"token-used-twice", "token already used: ", 2},
        {"two-null-sessions", "", 3},
        {"unknown-name-then-ping", "unknown command 'bogus'", 2},
        {"too-long-then-ping", "message too long 10", 2},
        {"newcontainer-without-process-then-ping", "is missing: there is nothing to start", 2},
        {"two-tokens-then-ping", "expected 0 or 1 token, got 2", 2},
        {"vm-dies-while-a-command-waits", "lost the VM vm0: its I/O port was closed", 1},
    };
    const std::string success = EncodeResponse(ClientCommand::kHyper, "");
    for (const Seed& seed : seeds) {
        CAPTURE(seed.name);
        const std::string heard = HeardInSeed(seed.name);
        CAPTURE(Quoted(heard, 4096));
        CHECK(CountIn(heard, seed.says) >= 1);
        CHECK(CountIn(heard, success) == seed.commands);
    }
    const std::string heard = HeardInSeed("shim-drops-and-comes-back-twice");
    CHECK(CountIn(heard, EncodeResponse(ClientCommand::kConnectShim, "")) == 3);
    CHECK(CountIn(heard, EncodeStream(StreamKind::kStdout, "xx")) == 2);
    CHECK(CountIn(HeardInSeed("vm-dies-while-ready-is-awaited"), "\x11") == 1);
}

}  // namespace cc::proxy

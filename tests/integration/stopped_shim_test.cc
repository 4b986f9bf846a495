// SPDX-License-Identifier: Apache-2.0
// A shim that is stopped holds back its own process and nobody else.
#include <csignal>

#include <unistd.h>

#include "base/text.h"
#include "tests/integration/echo.h"

namespace cc::test {

namespace {

// The letter of its state in /proc: T is stopped.
char StateOf(pid_t pid) {
    const std::string stat = ReadFile(Cat("/proc/", pid, "/stat"), 4096).value();
    return stat.at(stat.rfind(')') + 2);
}

}  // namespace

TEST_CASE("while one shim of eight is stopped the others go on, in its VM as in the other one") {
    if (SkipWithoutRoot()) return;
    House house(House::Starts::kTest, 2);
    // It prints far more than sockets, windows and pipes hold.
    constexpr int kLines = 3'000'000;
    Shim stopped = house.Run("c0", Cat("busybox seq ", kLines, "; exit 7"));
    char first[2];
    REQUIRE(::read(stopped.out.get(), first, sizeof first) == sizeof first);
    REQUIRE(stopped.process.Signal(SIGSTOP));
    std::vector<std::unique_ptr<Echo>> others;
    for (int i = 1; i < 8; ++i)
        others.push_back(std::make_unique<Echo>(house, Cat("c", i), 6 << 20, 100 + i,
                                                ProcessOptions{.vm = i % 2}));
    for (const auto& other : others)
        other->Finish();
    // Commands of both VMs go on as well.
    Shim same = house.Exec("c0", "exit 3");
    CHECK(same.WaitExit() == 3);
    Shim other = house.Run("c8", "exit 4", {.vm = 1});
    CHECK(other.WaitExit() == 4);

    CHECK(StateOf(stopped.process.pid()) == 'T');
    REQUIRE(stopped.process.Signal(SIGCONT));
    std::string expected;
    for (int line = 1; line <= kLines; ++line)
        expected += Cat(line, "\n");
    CHECK((std::string(first, sizeof first) + stopped.Output() == expected));
    CHECK(stopped.WaitExit() == 7);
}

}  // namespace cc::test

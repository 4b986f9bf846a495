// SPDX-License-Identifier: Apache-2.0
// The proxy dies, again and again, and no process, stream or exit status notices.
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <unistd.h>

#include "base/text.h"
#include "tests/integration/echo.h"

namespace cc::test {

namespace {

void Pause(std::mt19937& random, int least, int most) {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(std::uniform_int_distribution<int>(least, most)(random)));
}

}  // namespace

TEST_CASE("streams in both directions survive the proxy's death, byte for byte") {
    if (SkipWithoutRoot()) return;
    House house;
    Echo echo(house, "c", 24 << 20, 1);
    std::mt19937 random(1);
    for (int death = 0; death < 8; ++death) {
        Pause(random, 5, 60);
        house.ReplaceProxy(SIGKILL);
    }
    echo.Finish();
}

TEST_CASE("eight containers at once survive it, and a proxy that is told to go") {
    if (SkipWithoutRoot()) return;
    House house;
    std::vector<std::unique_ptr<Echo>> echoes;
    for (int i = 0; i < 8; ++i)
        echoes.push_back(std::make_unique<Echo>(house, Cat("c", i), 6 << 20, 10 + i));
    std::mt19937 random(2);
    for (int death = 0; death < 8; ++death) {
        Pause(random, 5, 100);
        house.ReplaceProxy(death % 2 == 0 ? SIGKILL : SIGTERM);
    }
    for (const auto& echo : echoes)
        echo->Finish();
}

// CC_LONG=1: two minutes of it.
TEST_CASE("eight processes go on while the proxy is killed every 300 ms") {
    if (SkipWithoutRoot()) return;
    const char* wanted = std::getenv("CC_LONG");
    const bool is_long = wanted != nullptr && *wanted != '\0';
    const auto duration = is_long ? std::chrono::seconds(120) : std::chrono::seconds(3);
    House house;
    std::vector<std::unique_ptr<EndlessEcho>> echoes;
    for (int i = 0; i < 4; ++i) {
        const std::string name = Cat("c", i);
        echoes.push_back(
            std::make_unique<EndlessEcho>(house.Run(name, kEchoScript), 1'000'000 * (2 * i + 1)));
        echoes.push_back(
            std::make_unique<EndlessEcho>(house.Exec(name, kEchoScript), 1'000'000 * (2 * i + 2)));
    }
    const auto begin = std::chrono::steady_clock::now();
    int deaths = 0;
    for (auto next = begin; next - begin < duration; ++deaths) {
        next += std::chrono::milliseconds(300);
        std::this_thread::sleep_until(next);
        house.ReplaceProxy(SIGKILL);
    }
    uint64_t bytes = 0;
    // A container's first process is the last of it to end.
    for (const auto& echo : {echoes[1].get(), echoes[0].get(), echoes[3].get(), echoes[2].get(),
                             echoes[5].get(), echoes[4].get(), echoes[7].get(), echoes[6].get()}) {
        echo->Finish();
        bytes += echo->received;
    }
    MESSAGE(deaths, " deaths, ", bytes >> 20, " MiB there and back");
}

TEST_CASE("a process that ends while there is no proxy has its last words and status delivered") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "read word; echo last $word; echo err >&2; exit 42");
    CHECK(house.proxy().Signal(SIGSTOP));
    CHECK(WriteAll(shim.in.get(), "words\n"));
    house.ReplaceProxy(SIGKILL);
    CHECK(shim.Output() == "last words\n");
    CHECK(shim.Errors() == "err\n");
    CHECK(shim.WaitExit() == 42);
}

TEST_CASE("a signal sent while there is no proxy arrives") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim =
        house.Run("c", "trap 'echo usr1; exit 3' USR1; echo on; while :; do sleep 0.05; done");
    char on[3];
    REQUIRE(::read(shim.out.get(), on, 3) == 3);
    house.ReplaceProxy(SIGKILL);
    CHECK(shim.process.Signal(SIGUSR1));
    CHECK(shim.Output() == "usr1\n");
    CHECK(shim.WaitExit() == 3);
}

TEST_CASE("whoever misses the proxy starts the next one, and commands are carried out once") {
    if (SkipWithoutRoot()) return;
    House house(House::Starts::kClients);
    Shim first = house.Run("c", "cat");
    std::atomic<bool> over = false;
    std::jthread deaths([&] {
        std::mt19937 random(3);
        for (int death = 0; death < 10 && !over; ++death) {
            Pause(random, 5, 120);
            (void)house.SignalServingProxy(SIGKILL);
        }
    });
    for (int i = 0; i < 20; ++i) {
        Shim shim = house.Exec("c", Cat("echo ", i, " >> /counted; echo ", i, "; exit ", i));
        CHECK(shim.Output() == Cat(i, "\n"));
        CHECK(shim.WaitExit() == i);
    }
    over = true;
    deaths.join();
    std::string expected;
    for (int i = 0; i < 20; ++i)
        expected += Cat(i, "\n");
    CHECK(house.Exec("c", "cat /counted").Output() == expected);
    first.in.Reset();
    CHECK(first.WaitExit() == 0);
    house.Remove("c");
}

TEST_CASE("a shim that dies while there is no proxy takes its process with it") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim first = house.Run("c", "cat");
    Shim shim = house.Exec("c", "echo on; exec sleep 1000");
    char on[3];
    REQUIRE(::read(shim.out.get(), on, 3) == 3);
    CHECK(house.proxy().Signal(SIGSTOP));
    CHECK(shim.process.Signal(SIGKILL));
    house.ReplaceProxy(SIGKILL);
    Shim witness =
        house.Exec("c", "while pidof sleep >/dev/null; do usleep 100000; done; echo gone");
    CHECK(witness.Output() == "gone\n");
    first.in.Reset();
    CHECK(first.WaitExit() == 0);
}

}  // namespace cc::test

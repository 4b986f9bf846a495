// SPDX-License-Identifier: Apache-2.0
// The proxy dies, again and again, and no process, stream or exit status notices.
#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include <unistd.h>

#include "base/text.h"
#include "tests/integration/house.h"
#include "tests/noise.h"

namespace cc::test {

namespace {

// A container that gives back what it is given, and what came of it.
struct Echo {
    Shim shim;
    std::string sent;
    std::string received;
    std::thread writer, reader;

    Echo(House& house, const std::string& name, size_t size, uint64_t seed)
        : shim(house.Run(name, "cat; exit 7")), sent(Noise(size, seed)) {
        writer = std::thread([this] {
            // In pieces, so that some of it is always still to come.
            for (size_t at = 0; at < sent.size(); at += kPiece)
                if (!WriteAll(shim.in.get(), std::string_view(sent).substr(at, kPiece))) return;
            shim.in.Reset();
        });
        reader = std::thread([this] { received = shim.Output(); });
    }
    void Finish() {
        writer.join();
        reader.join();
        CHECK(shim.Errors() == "");
        CHECK(received.size() == sent.size());
        CHECK((received == sent));
        CHECK(shim.WaitExit() == 7);
    }
    static constexpr size_t kPiece = 64 * 1024;
};

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

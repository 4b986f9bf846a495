// SPDX-License-Identifier: Apache-2.0
// One process of a container through all of ours: shim, proxy, agent, and back.
#include <csignal>
#include <thread>

#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/integration/house.h"
#include "tests/noise.h"

namespace cc::test {

namespace {

// From a terminal, until the text has come.
void ReadUntil(int fd, std::string_view text) {
    std::string seen;
    char byte = 0;
    while (seen.find(text) == std::string::npos) {
        REQUIRE_MESSAGE(::read(fd, &byte, 1) == 1, seen);
        seen += byte;
    }
}

}  // namespace

TEST_CASE("output, error and exit status arrive as the process gave them") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "echo out; echo err >&2; exit 42");
    CHECK(shim.Output() == "out\n");
    CHECK(shim.Errors() == "err\n");
    CHECK(shim.WaitExit() == 42);
    house.Remove("c");
}

TEST_CASE("every exit status there is") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim first = house.Run("c", "cat");
    for (int status = 0; status < 256; ++status)
        CHECK(house.Exec("c", Cat("exit ", status)).WaitExit() == status);
    for (const int signal : {SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGUSR1, SIGTERM})
        CHECK(house.Exec("c", Cat("kill -", signal, " $$")).WaitExit() == 128 + signal);
    first.in.Reset();
    CHECK(first.WaitExit() == 0);
}

TEST_CASE("20 MB go in and come out unchanged, and a word on the other stream with them") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "echo begun >&2; cat; echo done >&2");
    const std::string sent = Noise(20 << 20);
    std::thread writer([&] {
        CHECK(WriteAll(shim.in.get(), sent));
        shim.in.Reset();
    });
    CHECK((shim.Output() == sent));
    writer.join();
    CHECK(shim.Errors() == "begun\ndone\n");
    CHECK(shim.WaitExit() == 0);
}

TEST_CASE("a signal to the shim is a signal to its process, and to no other") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim first =
        house.Run("c", "trap 'echo caught; exit 3' TERM; echo up; while :; do sleep 0.1; done");
    Shim other = house.Exec("c", "echo up; sleep 1000");
    std::string up(3, '\0');
    REQUIRE(::read(first.out.get(), up.data(), 3) == 3);
    REQUIRE(::read(other.out.get(), up.data(), 3) == 3);
    CHECK(other.process.Signal(SIGTERM));
    CHECK(other.WaitExit() == 128 + SIGTERM);
    CHECK(first.process.Signal(SIGTERM));
    CHECK(first.Output() == "caught\n");
    CHECK(first.WaitExit() == 3);
}

TEST_CASE("the process of a shim that is killed ends too; its neighbours do not notice") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim neighbour = house.Run("n", "cat");
    Shim first = house.Run("c", "cat");
    Shim victim = house.Exec("c", "echo $$ > /pid; echo up; exec sleep 1000");
    std::string up(3, '\0');
    REQUIRE(::read(victim.out.get(), up.data(), 3) == 3);
    CHECK(victim.process.Signal(SIGKILL));
    CHECK(victim.WaitExit() == 128 + SIGKILL);
    CHECK(house.Exec("c", "while kill -0 $(cat /pid); do sleep 0.05; done").WaitExit() == 0);
    for (Shim* shim : {&neighbour, &first}) {
        CHECK(WriteAll(shim->in.get(), "still here\n"));
        shim->in.Reset();
        CHECK(shim->Output() == "still here\n");
        CHECK(shim->WaitExit() == 0);
    }
}

TEST_CASE("a terminal has the size of the shim's, follows it, and turns Ctrl-C into a signal") {
    if (SkipWithoutRoot()) return;
    House house;
    const winsize small{24, 80, 0, 0}, large{50, 132, 0, 0};
    int near = -1, far = -1;
    REQUIRE(::openpty(&near, &far, nullptr, nullptr, &small) == 0);
    const Fd near_end = Fd::Adopt(near);
    Fd far_end = Fd::Adopt(far);
    Shim shim = house.Run("c",
                          "trap 'stty size' WINCH; trap 'echo bye; exit 9' INT; tty; stty size; "
                          "while :; do sleep 0.05; done",
                          {far, {}});
    ReadUntil(near, "24 80\r\n");
    REQUIRE(::ioctl(near, TIOCSWINSZ, &large) == 0);
    // The shim has no controlling terminal here, so the kernel tells nobody.
    CHECK(shim.process.Signal(SIGWINCH));
    ReadUntil(near, "50 132\r\n");
    CHECK(WriteAll(near, "\x03"));
    ReadUntil(near, "bye\r\n");
    CHECK(shim.WaitExit() == 9);
}

TEST_CASE("twenty containers at once keep their bytes apart") {
    if (SkipWithoutRoot()) return;
    House house;
    std::vector<Shim> shims;
    for (int i = 0; i < 20; ++i)
        shims.push_back(house.Run(Cat("c", i), Cat("cat; echo end of ", i, "; exit ", i)));
    for (int i = 0; i < 20; ++i) {
        const auto at = static_cast<size_t>(i);
        CHECK(WriteAll(shims[at].in.get(), Cat("input of ", i, "\n")));
        shims[at].in.Reset();
    }
    for (int i = 0; i < 20; ++i) {
        const auto at = static_cast<size_t>(i);
        CHECK(shims[at].Output() == Cat("input of ", i, "\nend of ", i, "\n"));
        CHECK(shims[at].WaitExit() == i);
        house.Remove(Cat("c", i));
    }
}

TEST_CASE("when the VM ends, every shim ends with 137, and the proxy serves on") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim one = house.Run("a", "sleep 1000");
    Shim two = house.Run("b", "sleep 1000");
    house.EndAgent();
    CHECK(one.WaitExit() == 128 + SIGKILL);
    CHECK(two.WaitExit() == 128 + SIGKILL);
    const auto lost = house.runtime().AttachVm({"vm0", 1}, std::chrono::seconds(10));
    CHECK_FALSE(lost);
}

TEST_CASE("when the proxy is killed, a shim looks for it and then says what it misses") {
    if (SkipWithoutRoot()) return;
    House house;
    Shim shim = house.Run("c", "sleep 1000", {-1, {"-r", "1"}});
    house.proxy().Kill();
    house.proxy() = {};
    CHECK(shim.Errors().find("proxy") != std::string::npos);
    CHECK(shim.WaitExit() == 1);
}

}  // namespace cc::test

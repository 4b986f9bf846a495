// SPDX-License-Identifier: Apache-2.0
// A real VM, whose virtio-serial ports lose what was on its way when the proxy is killed.
#include <atomic>
#include <csignal>
#include <thread>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {
constexpr std::chrono::milliseconds kBetweenDeaths{300};
}

TEST_CASE("a container streams on in both directions while its proxy is killed again and again") {
    Host host;
    const std::string sent = RandomBytes(16 << 20);
    std::atomic<bool> over = false;
    int deaths = 0;
    std::thread killer([&] {
        while (!over && !Exists(host.directory() + "/started"))
            std::this_thread::sleep_for(kBetweenDeaths);
        while (!over && deaths < 40) {
            deaths += host.Kill("cc-proxy", SIGKILL) ? 1 : 0;
            std::this_thread::sleep_for(kBetweenDeaths);
        }
    });
    // Slowly enough for a few deaths on any machine.
    const std::string script =
        "touch /host/started; for i in 1 2 3 4 5 6 7 8; do head -c 2097152; sleep 0.4; done; exit "
        "7";
    const Finished run = host.Run("c1", {"sh", "-c", script}, sent, [&](Json& config) {
        config["mounts"].push_back({{"destination", "/host"},
                                    {"type", "bind"},
                                    {"source", host.directory()},
                                    {"options", {"bind"}}});
    });
    over = true;
    killer.join();
    CHECK(deaths > 1);
    CHECK(run.status == 7);
    CHECK(run.err == "");
    CHECK(run.out.size() == sent.size());
    CHECK(Sha256(run.out) == Sha256(sent));
    host.CheckNoResidue();
}

TEST_CASE("a container whose proxy was killed is executed in, signalled and deleted as any other") {
    Host host;
    host.Start("c1", {"sh", "-c", "trap 'echo term; exit 3' TERM; while :; do sleep 0.1; done"},
               "out");
    REQUIRE(host.Kill("cc-proxy", SIGKILL));
    const Finished executed = host.Runtime({"exec", "c1", "cat"}, "through\n");
    CHECK(executed.out == "through\n");
    CHECK(executed.status == 0);
    CHECK(host.State("c1")["status"] == "running");
    REQUIRE(host.Kill("cc-proxy", SIGTERM));
    CHECK(host.Runtime({"kill", "c1", "TERM"}).status == 0);
    CHECK(host.WaitStatus("c1", "stopped"));
    CHECK(ReadFile(host.directory() + "/out", 100).value() == "term\n");
    CHECK(host.Runtime({"delete", "c1"}).status == 0);
    host.CheckNoResidue();
}

}  // namespace cc::test

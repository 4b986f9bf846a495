// SPDX-License-Identifier: Apache-2.0
// Nothing may grow with the containers that come and go: neither in the proxy nor in the agent.
#include <chrono>
#include <thread>

#include "base/text.h"
#include "tests/footprint.h"
#include "tests/integration/house.h"

namespace cc::test {

namespace {

constexpr int kUsualRounds = 100;
// Before the first count: what a first container needs once.
constexpr int kFirstRounds = 20;
// What the allocator may keep; a leak of a KiB a round is more, over 500 of them.
constexpr long kSlackKib = 256;

void Round(House& house) {
    Shim first = house.Run("c", "echo made; exec cat");
    Shim second = house.Exec("c", "cat; exit 7");
    second.in.Reset();
    CHECK(second.WaitExit() == 7);
    first.in.Reset();
    CHECK(first.Output() == "made\n");
    CHECK(first.WaitExit() == 0);
    house.Remove("c");
}

struct Held {
    Footprint proxy, agent;
    size_t cgroups = 0;
    bool operator==(const Held& other) const {
        const auto same = [](const Footprint& a, const Footprint& b) {
            return a.processes == b.processes && a.descriptors == b.descriptors &&
                   a.mounts == b.mounts;
        };
        return same(proxy, other.proxy) && same(agent, other.agent) && cgroups == other.cgroups;
    }
};

Held Count(House& house) {
    const pid_t agent = house.agent().process().pid();
    const auto family = FamilyOf(agent);
    REQUIRE(family.size() > 1);  // its second process is the first of its namespaces
    return {FootprintOf(FamilyOf(house.proxy().pid())), FootprintOf(family),
            CountDirectories(Cat("/proc/", family[1], "/root/run/cgroup/cc-agent-test.", agent))};
}

std::string Show(const Held& held) {
    const auto show = [](const Footprint& footprint) {
        return Cat(footprint.processes, " processes, ", footprint.descriptors, " descriptors, ",
                   footprint.mounts, " mounts, ", footprint.anonymous_kib, " KiB");
    };
    return Cat("proxy: ", show(held.proxy), "; agent: ", show(held.agent), "; ", held.cgroups,
               " cgroups");
}

}  // namespace

TEST_CASE("containers that come and go leave nothing in the proxy nor in the agent") {
    if (SkipWithoutRoot()) return;
    House house;
    for (int round = 0; round < kFirstRounds; ++round)
        Round(house);
    const Held before = Count(house);
    const int rounds = Rounds(kUsualRounds);
    for (int round = 0; round < rounds; ++round)
        Round(house);
    Held after = Count(house);
    // The last connection may still be on its way out.
    for (int i = 0; i < 100 && !(after == before); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        after = Count(house);
    }
    const std::string shown =
        Cat("before: ", Show(before), "\nafter ", rounds, " rounds: ", Show(after));
    MESSAGE(shown);
    CHECK_MESSAGE(after == before, shown);
    if (kFreedMemoryIsKept) return;
    CHECK_MESSAGE(after.proxy.anonymous_kib <= before.proxy.anonymous_kib + kSlackKib, shown);
    CHECK_MESSAGE(after.agent.anonymous_kib <= before.agent.anonymous_kib + kSlackKib, shown);
}

}  // namespace cc::test

// SPDX-License-Identifier: Apache-2.0
// The life of a container again and again, each in a VM of its own: the host is as it was after
// each. CC_ROUNDS=500 takes as long as so many VMs take to boot.
#include <doctest/doctest.h>

#include "base/text.h"
#include "tests/e2e/host.h"
#include "tests/footprint.h"

namespace cc::test {

namespace {

constexpr int kUsualRounds = 4;
constexpr int kFirstRounds = 2;  // that count for nothing: who comes first sets something up
constexpr long kSlackKib = 256;

void Round(Host& host) {
    host.Start("c1", {"sleep", "1000"});
    CHECK(host.Runtime({"exec", "c1", "cat"}, "through").out == "through");
    CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    host.CheckNoResidue();  // processes, mounts, cgroups, state
}

struct Held {
    Footprint proxy;
    size_t directories = 0;  // of the host's own
};

Held Count(const Host& host) {
    return {FootprintOf(FamilyOf(host.PidOf("cc-proxy"))), CountDirectories(host.directory())};
}

}  // namespace

TEST_CASE("containers in VMs that come and go leave the host and the proxy as they were") {
    Host host;
    for (int round = 0; round < kFirstRounds; ++round)
        Round(host);
    const pid_t proxy = host.PidOf("cc-proxy");
    const Held before = Count(host);
    const int rounds = Rounds(kUsualRounds);
    for (int round = 0; round < rounds; ++round)
        Round(host);
    const Held after = Count(host);
    CHECK(host.PidOf("cc-proxy") == proxy);
    MESSAGE("after ", rounds, " rounds: ", after.proxy.descriptors, " descriptors, ",
            after.proxy.anonymous_kib, " KiB; before: ", before.proxy.anonymous_kib, " KiB");
    CHECK(after.proxy.processes == before.proxy.processes);
    CHECK(after.proxy.descriptors == before.proxy.descriptors);
    CHECK(after.proxy.mounts == before.proxy.mounts);
    CHECK(after.proxy.anonymous_kib <= before.proxy.anonymous_kib + kSlackKib);
    CHECK(after.directories == before.directories);
}

}  // namespace cc::test

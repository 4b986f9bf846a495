// SPDX-License-Identifier: Apache-2.0
// The keeper's watch over a network namespace; a script stands in for the runtime.
#include "vmm/network_watch.h"

#include <linux/neighbour.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netns/apply.h"
#include "netns/objects.h"
#include "netns/redirect.h"
#include "tests/unit/netns/namespace.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

using std::chrono::milliseconds;

// Writes a line for each call, with what descriptor 3 is.
constexpr const char* kScript = R"(#!/bin/sh
echo "$@" $(readlink /proc/$$/fd/3) >>DIR/calls
[ ! -e DIR/slow ] || sleep 1
[ ! -e DIR/fail ] || { echo no use >&2; exit 3; }
)";

struct Rig {
    test::TemporaryDirectory directory;
    Fd place = test::NewNetworkNamespace();
    netns::Socket socket = test::SocketIn(place);
    uv::Loop loop;
    uv::Timer patience{loop, [this] { loop.Stop(); }};
    std::unique_ptr<NetworkWatch> watch;

    Rig() {
        std::string text = kScript;
        for (size_t at; (at = text.find("DIR")) != std::string::npos;)
            text.replace(at, 3, directory.path());
        const std::string script = directory.Write("runtime", text);
        REQUIRE(::chmod(script.c_str(), 0755) == 0);
        test::MakeVeth(socket, "eth0", "far0");
        auto started =
            NetworkWatch::Start(loop, place.Duplicate().value(), {script, "/run/somewhere", "web"});
        REQUIRE_MESSAGE(started, started.error().message);
        watch = std::move(*started);
    }
    void Wait(int ms) {
        patience.Start(milliseconds(ms));
        loop.Run();
    }
    std::vector<std::string> Calls() {
        auto text = ReadFile(directory / "calls", 1 << 20).value_or("");
        auto lines = Split(text, '\n');
        std::erase(lines, "");
        return lines;
    }
    // Waits for so many calls at most ten seconds.
    size_t AwaitCalls(size_t count) {
        for (int i = 0; i < 200 && Calls().size() < count; ++i)
            Wait(50);
        return Calls().size();
    }
    void Address(const std::string& address) {
        NetworkLink link;
        link.name = "eth0";
        link.up = true;
        link.addresses = {{address}};
        REQUIRE(netns::ApplyLink(socket, link));
    }
};

}  // namespace

TEST_CASE("the runtime is called once for a burst of changes, with the namespace") {
    Rig rig;
    rig.Wait(300);
    CHECK(rig.Calls().empty());
    for (int i = 2; i < 8; ++i)
        rig.Address(Cat("10.0.0.", i, "/24"));
    CHECK(rig.AwaitCalls(1) == 1);
    CHECK(rig.Calls()[0].starts_with("--root /run/somewhere follow-network --sandbox=web net:["));
    rig.Wait(1500);
    CHECK(rig.Calls().size() == 1);
    // Links of ours are nothing that the guest should hear of.
    test::MakeVeth(rig.socket, "tap1_cc", "far1");
    REQUIRE(netns::DeleteLink(rig.socket, "tap1_cc"));
    rig.Wait(500);
    CHECK(rig.Calls().size() == 1);
    REQUIRE(netns::DeleteLink(rig.socket, "eth0"));
    CHECK(rig.AwaitCalls(2) == 2);
}

TEST_CASE("neighbours that are given are a change, those that are found are none") {
    Rig rig;
    rig.Address("10.0.0.2/24");
    CHECK(rig.AwaitCalls(1) == 1);
    netns::Indices indices(rig.socket);
    const auto neighbour = netns::NeighbourOf(indices, {"eth0", "10.0.0.9", "02:00:00:00:00:09"});
    REQUIRE(neighbour);
    REQUIRE(rtnl_neigh_add(rig.socket.get(), neighbour->get(), NLM_F_CREATE) == 0);
    CHECK(rig.AwaitCalls(2) == 2);
    const auto found = netns::NeighbourOf(indices, {"eth0", "10.0.0.10", "02:00:00:00:00:10"});
    REQUIRE(found);
    rtnl_neigh_set_state(found->get(), NUD_STALE);
    REQUIRE(rtnl_neigh_add(rig.socket.get(), found->get(), NLM_F_CREATE) == 0);
    rig.Wait(500);
    CHECK(rig.Calls().size() == 2);
}

TEST_CASE("what changes during a call is for the next") {
    Rig rig;
    rig.directory.Write("slow", "");
    rig.Address("10.0.0.2/24");
    CHECK(rig.AwaitCalls(1) == 1);
    rig.Address("10.0.0.3/24");
    rig.Wait(400);
    CHECK(rig.Calls().size() == 1);
    CHECK(rig.AwaitCalls(2) == 2);
    // A call that goes on ends with its keeper.
    rig.watch.reset();
}

TEST_CASE("a call that fails is repeated") {
    Rig rig;
    const std::string fail = rig.directory.Write("fail", "");
    rig.Address("10.0.0.2/24");
    CHECK(rig.AwaitCalls(2) == 2);
    REQUIRE(::unlink(fail.c_str()) == 0);
    CHECK(rig.AwaitCalls(3) == 3);
    rig.Wait(2500);
    CHECK(rig.Calls().size() == 3);
}

}  // namespace cc

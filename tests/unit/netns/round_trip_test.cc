// SPDX-License-Identifier: Apache-2.0
// What is read in one namespace and applied in another is the same there.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "base/json_full.h"
#include "netns/apply.h"
#include "netns/redirect.h"
#include "netns/scan.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::netns;

namespace {

void AddVeth(const Socket& socket, const char* name, const char* peer) {
    test::MakeVeth(socket, name, peer);
    // Before it is raised, so that the kernel adds nothing of its own.
    for (const char* one : {name, peer}) {
        const auto link = FindLink(socket, one);
        REQUIRE(link);
        REQUIRE(ForbidOwnAddresses(socket, link->index));
        REQUIRE(SetUp(socket, link->index, true));
    }
}

Network Example() {
    Network network;
    network.links.push_back({.name = "eth0",
                             .mac = "02:42:ac:11:00:02",
                             .mtu = 1400,
                             .up = true,
                             .device = {},
                             .addresses = {{"172.17.0.2/16", "", "172.17.255.255", 0},
                                           {"192.0.2.7/32", "", "", 0},
                                           {"172.17.0.77/16", "", "172.17.255.255", 0},
                                           {"fd00:1::2/64", "", "", 0},
                                           {"fe80::42:acff:fe11:2/64", "", "", 253}}});
    const auto on_link = [&](const char* to, const char* source, int64_t scope, int64_t priority) {
        network.routes.push_back({.destination = to,
                                  .source = source,
                                  .type = RTN_UNICAST,
                                  .scope = scope,
                                  .protocol = RTPROT_KERNEL,
                                  .priority = priority,
                                  .metrics = {},
                                  .next_hops = {{"eth0", "", 0, 0}}});
    };
    const auto by = [&](const char* to, const char* gateway, int64_t flags, int64_t priority,
                        std::vector<std::pair<int64_t, int64_t>> metrics) {
        network.routes.push_back({.destination = to,
                                  .source = {},
                                  .type = RTN_UNICAST,
                                  .scope = RT_SCOPE_UNIVERSE,
                                  .protocol = RTPROT_BOOT,
                                  .priority = priority,
                                  .metrics = std::move(metrics),
                                  .next_hops = {{"eth0", gateway, flags, 0}}});
    };
    on_link("172.17.0.0/16", "172.17.0.2", RT_SCOPE_LINK, 0);
    on_link("fd00:1::/64", "", 0, 256);
    on_link("fe80::/64", "", 0, 256);
    by("0.0.0.0/0", "172.17.0.1", 0, 0, {});
    by("10.9.0.0/16", "10.1.1.1", RTNH_F_ONLINK, 7, {{RTAX_MTU, 1300}, {RTAX_ADVMSS, 1200}});
    by("::/0", "fd00:1::1", 0, 1024, {{RTAX_MTU, 1290}});
    network.routes.push_back({.destination = "203.0.113.0/24",
                              .source = {},
                              .type = RTN_BLACKHOLE,
                              .scope = 0,
                              .protocol = RTPROT_STATIC,
                              .priority = 0,
                              .metrics = {},
                              .next_hops = {}});
    network.neighbours.push_back({"eth0", "172.17.0.9", "02:00:00:00:00:09"});
    network.neighbours.push_back({"eth0", "fd00:1::9", "02:00:00:00:00:19"});
    return network;
}

const NetworkRoute* RouteTo(const Network& network, const std::string& destination,
                            int64_t priority) {
    for (const auto& route : network.routes)
        if (route.destination == destination && route.priority == priority) return &route;
    return nullptr;
}

}  // namespace

TEST_CASE("a namespace that was given a network shows that network") {
    const Fd place = test::NewNetworkNamespace();
    const Socket socket = test::SocketIn(place);
    AddVeth(socket, "eth0", "other");
    const Network wanted = Example();
    auto applied = ApplyNetwork(socket, wanted);
    REQUIRE_MESSAGE(applied, applied.error().message);
    // Again: what is there stays.
    applied = ApplyNetwork(socket, wanted);
    REQUIRE_MESSAGE(applied, applied.error().message);
    const auto found = ReadNetwork(socket);
    REQUIRE(found);
    REQUIRE(found->links.size() == 2);
    NetworkLink link = found->links[0].name == "eth0" ? found->links[0] : found->links[1];
    CHECK(link.index == FindLink(socket, "eth0")->index);
    link.index = 0;
    CHECK(ToJson({{link}, {}, {}}).dump() == ToJson({wanted.links, {}, {}}).dump());
    for (const auto& route : wanted.routes) {
        INFO(route.destination);
        const NetworkRoute* same = RouteTo(*found, route.destination, route.priority);
        REQUIRE(same != nullptr);
        CHECK(ToJson({{}, {*same}, {}}).dump() == ToJson({{}, {route}, {}}).dump());
    }
    CHECK(found->routes.size() == wanted.routes.size());
    CHECK(found->neighbours.size() == wanted.neighbours.size());
    for (const auto& neighbour : wanted.neighbours)
        CHECK(std::find(found->neighbours.begin(), found->neighbours.end(), neighbour) !=
              found->neighbours.end());
}

TEST_CASE("a device is found by the address it has and gets the name it shall have") {
    const Fd place = test::NewNetworkNamespace();
    const Socket socket = test::SocketIn(place);
    AddVeth(socket, "whatever", "other");
    NetworkLink idle{.name = "whatever",
                     .mac = std::string(kNicAddress),
                     .mtu = 0,
                     .up = true,
                     .device = {},
                     .addresses = {}};
    REQUIRE(ApplyLink(socket, idle));
    NetworkLink wanted = Example().links[0];
    wanted.device = kNicAddress;
    wanted.name = "net1";
    auto applied = ApplyLink(socket, wanted);
    REQUIRE_MESSAGE(applied, applied.error().message);
    const auto found = FindLinkByMac(socket, wanted.mac);
    REQUIRE(found);
    CHECK(*found > 0);
    CHECK(FindLink(socket, "net1"));
    CHECK_FALSE(FindLink(socket, "whatever"));
    wanted.device = "02:cc:00:00:00:77";
    applied = ApplyLink(socket, wanted);
    REQUIRE_FALSE(applied);
    CHECK(applied.error().message.find("02:cc:00:00:00:77") != std::string::npos);
}

TEST_CASE("a link is moved to another namespace, under another name") {
    const Fd here = test::NewNetworkNamespace(), there = test::NewNetworkNamespace();
    const Socket from = test::SocketIn(here), to = test::SocketIn(there);
    AddVeth(from, "one", "two");
    const auto link = FindLink(from, "one");
    REQUIRE(link);
    auto moved = MoveLink(from, link->index, there, "moved");
    REQUIRE_MESSAGE(moved, moved.error().message);
    CHECK(FindLink(to, "moved"));
    CHECK_FALSE(FindLink(from, "one"));
    CHECK(DeleteLink(to, "moved"));
    CHECK(DeleteLink(to, "moved"));
    CHECK_FALSE(FindLink(from, "two"));
}

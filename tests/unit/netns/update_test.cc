// SPDX-License-Identifier: Apache-2.0
// A network that becomes another, and being told of it.
#include "netns/update.h"

#include <algorithm>

#include <linux/rtnetlink.h>
#include <poll.h>

#include "base/json_full.h"
#include "netns/apply.h"
#include "netns/monitor.h"
#include "netns/redirect.h"
#include "netns/scan.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::netns;

namespace {

// A link as the machine's device `number` has become it.
NetworkLink Link(const std::string& name, int number) {
    NetworkLink link;
    link.name = name;
    link.mac = "02:42:00:00:00:0" + std::to_string(number);
    link.mtu = 1400;
    link.up = true;
    link.device = link.mac;
    link.addresses = {{"10." + std::to_string(number) + ".0.2/16"},
                      {"fd0" + std::to_string(number) + "::2/64"}};
    return link;
}

NetworkRoute Route(const std::string& to, const std::string& link, const std::string& gateway) {
    NetworkRoute route;
    route.destination = to;
    route.scope = gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    route.protocol = RTPROT_BOOT;
    route.next_hops.push_back({link, gateway});
    return route;
}

Network Both() {
    return {{Link("eth0", 0), Link("eth1", 1)},
            {Route("10.0.0.0/16", "eth0", ""), Route("10.1.0.0/16", "eth1", ""),
             Route("0.0.0.0/0", "eth0", "10.0.0.1")},
            {{"eth0", "10.0.0.9", "02:00:00:00:00:09"}}};
}

// Links that have the addresses of Both(), and nothing else.
Fd Place() {
    Fd place = test::NewNetworkNamespace();
    const Socket socket = test::SocketIn(place);
    for (const int number : {0, 1}) {
        const std::string name = "was" + std::to_string(number);
        test::MakeVeth(socket, name.c_str(), ("far" + std::to_string(number)).c_str());
        NetworkLink bare = Link(name, number);
        bare.device.clear();
        bare.addresses.clear();
        bare.mac.clear();
        REQUIRE(ApplyLink(socket, bare));
        bare.mac = Link(name, number).mac;
        const auto index = FindLink(socket, name);
        REQUIRE(index);
        const LinkPtr link(rtnl_link_alloc()), changes(rtnl_link_alloc());
        rtnl_link_set_ifindex(link.get(), index->index);
        const auto mac = ParseAddress(bare.mac, AF_LLC);
        REQUIRE(mac);
        rtnl_link_set_addr(changes.get(), mac->get());
        REQUIRE(rtnl_link_change(socket.get(), link.get(), changes.get(), 0) == 0);
        const auto far = FindLink(socket, "far" + std::to_string(number));
        REQUIRE(far);
        REQUIRE(ForbidOwnAddresses(socket, far->index));
        REQUIRE(SetUp(socket, far->index, true));
    }
    return place;
}

const NetworkLink* Find(const Network& network, const std::string& name) {
    for (const auto& link : network.links)
        if (link.name == name) return &link;
    return nullptr;
}

bool Leads(const Network& network, const std::string& to, const std::string& link) {
    return std::any_of(network.routes.begin(), network.routes.end(), [&](const auto& route) {
        return route.destination == to && !route.next_hops.empty() &&
               route.next_hops[0].link == link;
    });
}

Network Become(const Socket& socket, const Network& was, const Network& wanted) {
    const auto updated = UpdateNetwork(socket, was, wanted);
    REQUIRE_MESSAGE(updated, updated.error().message);
    const auto found = ReadNetwork(socket);
    REQUIRE(found);
    return *found;
}

bool Readable(int fd, int milliseconds) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, milliseconds) == 1;
}

}  // namespace

TEST_CASE("what a network had and the next has not is removed, and what was never told stays") {
    const Fd place = Place();
    const Socket socket = test::SocketIn(place);
    Network found = Become(socket, {}, Both());
    REQUIRE(Find(found, "eth1") != nullptr);
    CHECK(Find(found, "eth1")->addresses.size() == 2);
    CHECK(Leads(found, "0.0.0.0/0", "eth0"));
    // As somebody in the guest did it.
    REQUIRE(ApplyRoute(socket, Route("192.168.0.0/16", "eth0", "")));

    Network less = Both();
    less.links[1].addresses = {{"10.1.0.7/16"}};
    less.links[0].mtu = 1300;
    less.routes[2] = Route("0.0.0.0/0", "eth1", "10.1.0.1");
    less.neighbours.clear();
    found = Become(socket, Both(), less);
    CHECK(Find(found, "eth0")->mtu == 1300);
    CHECK(Find(found, "eth0")->addresses.size() == 2);
    REQUIRE(Find(found, "eth1")->addresses.size() == 1);
    CHECK(Find(found, "eth1")->addresses[0].address == "10.1.0.7/16");
    CHECK(Leads(found, "0.0.0.0/0", "eth1"));
    CHECK_FALSE(Leads(found, "0.0.0.0/0", "eth0"));
    CHECK(Leads(found, "192.168.0.0/16", "eth0"));
    CHECK(found.neighbours.empty());
    // Also when it has gone already.
    CHECK(UpdateNetwork(socket, Both(), less));
}

TEST_CASE("links exchange their names, and go down") {
    const Fd place = Place();
    const Socket socket = test::SocketIn(place);
    (void)Become(socket, {}, Both());
    Network other = Both();
    std::swap(other.links[0].name, other.links[1].name);
    other.routes = {Route("10.0.0.0/16", "eth1", ""), Route("10.1.0.0/16", "eth0", "")};
    other.neighbours.clear();
    Network found = Become(socket, Both(), other);
    REQUIRE(Find(found, "eth1") != nullptr);
    CHECK(Find(found, "eth1")->mac == Both().links[0].mac);
    CHECK(Find(found, "eth1")->addresses.size() == 2);
    CHECK(Leads(found, "10.0.0.0/16", "eth1"));
    CHECK(Leads(found, "10.1.0.0/16", "eth0"));
    CHECK_FALSE(Leads(found, "0.0.0.0/0", "eth0"));
    Network down = other;
    down.links[0].up = false;
    down.routes.erase(down.routes.begin());
    found = Become(socket, other, down);
    CHECK_FALSE(Find(found, "eth1")->up);
    CHECK(Find(found, "eth0")->up);
}

TEST_CASE("a monitor is readable after a change and not before") {
    const Fd place = Place();
    const Socket socket = test::SocketIn(place);
    const auto monitor = Monitor::Watch(test::SocketIn(place));
    REQUIRE_MESSAGE(monitor, monitor.error().message);
    CHECK(monitor->Drain());
    // The carrier of links that were just raised is told a little later.
    const auto quiet = [&] {
        while (Readable(monitor->fd(), 1500))
            REQUIRE(monitor->Drain());
        return !Readable(monitor->fd(), 0);
    };
    CHECK(quiet());
    NetworkLink link = Link("was0", 0);
    REQUIRE(ApplyLink(socket, link));
    CHECK(Readable(monitor->fd(), 5000));
    CHECK(monitor->Drain());
    CHECK(quiet());
    REQUIRE(ApplyRoute(socket, Route("10.7.0.0/16", "was0", "")));
    CHECK(Readable(monitor->fd(), 5000));
    CHECK(monitor->Drain());
    REQUIRE(DeleteLink(socket, "was1"));
    CHECK(Readable(monitor->fd(), 5000));
}

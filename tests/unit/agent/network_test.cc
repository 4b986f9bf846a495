// SPDX-License-Identifier: Apache-2.0
// The guest's side of networks, in namespaces of the host whose veth stands in for the machine's
// device.
#include <sys/stat.h>
#include <unistd.h>

#include "agent/network/device.h"
#include "agent/network/network_change.h"
#include "agent/network/pod_network.h"
#include "netns/apply.h"
#include "netns/redirect.h"
#include "netns/scan.h"
#include "protocol/pod_network.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::agent;

namespace {

// The idle device of a machine, as a link "eth0".
Fd Machine() {
    Fd place = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(place);
    test::MakeVeth(socket, "eth0", "host");
    for (const char* name : {"eth0", "host"}) {
        NetworkLink idle;
        idle.name = name;
        idle.mac = name == std::string("eth0") ? kNicAddress : "02:00:00:00:00:01";
        REQUIRE(netns::ApplyLink(socket, idle));
    }
    return place;
}

StartPod Pod() {
    NetworkRoute route;
    route.destination = "0.0.0.0/0";
    route.next_hops.push_back({"net0", "10.1.0.1"});
    NetworkRoute on_link;
    on_link.destination = "10.1.0.0/24";
    on_link.scope = RT_SCOPE_LINK;
    on_link.next_hops.push_back({"net0"});
    NetworkLink link;
    link.name = "net0";
    link.mac = "02:42:00:00:00:02";
    link.mtu = 1450;
    link.up = true;
    link.device = kNicAddress;
    link.addresses = {{"10.1.0.2/24"}, {"fd00::2/64"}};
    StartPod pod{"pod", "hyperShared"};
    // The gateway's route comes after it: the order is the agent's matter.
    pod.network = Network{{link}, {route, on_link}, {{"net0", "10.1.0.9", "02:00:00:00:00:09"}}};
    return pod;
}

Network NetworkIn(const Fd& place) {
    auto network = netns::ReadNetwork(test::SocketIn(place));
    REQUIRE(network);
    return *network;
}

const NetworkLink* LinkOf(const Network& network, std::string_view name) {
    for (const auto& link : network.links)
        if (link.name == name) return &link;
    return nullptr;
}

ino_t OwnNamespace() {
    struct stat status {};
    return ::stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

}  // namespace

TEST_CASE("the machine's device becomes the container's link") {
    const Fd machine = Machine();
    test::InNamespace(machine, [] {
        NetworkDevice device;
        const ino_t before = OwnNamespace();
        const StartPod pod = Pod();
        CHECK(HideUnusedDevice(pod, device));
        CHECK(OwnNamespace() == before);
        const auto started = StartNetwork(pod);
        CHECK_MESSAGE(started, started.error().message);
    });
    const Network network = NetworkIn(machine);
    const NetworkLink* link = LinkOf(network, "net0");
    REQUIRE(link != nullptr);
    CHECK(link->mac == "02:42:00:00:00:02");
    CHECK(link->mtu == 1450);
    CHECK(link->up);
    CHECK(link->addresses.size() == 2);
    CHECK(network.routes.size() == 2);
    CHECK(network.neighbours.size() == 1);
}

TEST_CASE("a device that no container has is not seen, and loopback works") {
    const Fd machine = Machine();
    test::InNamespace(machine, [] {
        NetworkDevice device;
        StartPod pod{"pod", "hyperShared"};
        const ino_t before = OwnNamespace();
        // A host of 3.0 says nothing of networks: all stays as it is.
        CHECK(HideUnusedDevice(pod, device));
        CHECK(OwnNamespace() == before);
        pod.network.emplace();
        const auto hidden = HideUnusedDevice(pod, device);
        CHECK_MESSAGE(hidden, hidden.error().message);
        const ino_t empty = OwnNamespace();
        CHECK(empty != before);
        // There and back, as between a rehearsal and the pods of its clones.
        CHECK(device.Show());
        CHECK(OwnNamespace() == before);
        CHECK(device.Hide());
        CHECK(device.Hide());
        CHECK(OwnNamespace() == empty);
        CHECK(StartNetwork(pod));
        auto socket = netns::Socket::Open();
        REQUIRE(socket);
        CHECK(netns::ReadNetwork(*socket)->links.empty());
        auto links = netns::ReadLinks(*socket);
        REQUIRE(links);
        CHECK(nl_cache_nitems(links->get()) >= 1);
    });
    CHECK(LinkOf(NetworkIn(machine), "eth0") != nullptr);
}

TEST_CASE("a machine without a device stays where it is") {
    const Fd machine = test::NewNetworkNamespace();
    test::InNamespace(machine, [] {
        NetworkDevice device;
        StartPod pod{"pod", "hyperShared"};
        pod.network.emplace();
        const ino_t before = OwnNamespace();
        CHECK(HideUnusedDevice(pod, device));
        const auto example = ExampleNetwork();
        REQUIRE(example);
        CHECK_FALSE(*example);
        CHECK(OwnNamespace() == before);
        const auto started = StartNetwork(Pod());
        REQUIRE_FALSE(started);
        CHECK(started.error().message.find(kNicAddress) != std::string::npos);
    });
}

TEST_CASE("a rehearsal leaves nothing but a device that is up") {
    const Fd machine = Machine();
    for (int i = 0; i < 2; ++i) {
        test::InNamespace(machine, [] {
            const auto example = ExampleNetwork();
            REQUIRE(example);
            REQUIRE(*example);
            StartPod pod{"rehearsal", "hyperShared"};
            pod.network = **example;
            auto done = StartNetwork(pod);
            CHECK_MESSAGE(done, done.error().message);
            done = ReturnDevice(**example);
            CHECK_MESSAGE(done, done.error().message);
        });
        const Network network = NetworkIn(machine);
        const NetworkLink* link = LinkOf(network, "eth0");
        REQUIRE(link != nullptr);
        CHECK(link->mac == kNicAddress);
        CHECK(link->mtu == 1500);
        CHECK(link->up);
        CHECK(link->addresses.empty());
        CHECK(network.routes.empty());
    }
    test::InNamespace(machine, [] { CHECK(StartNetwork(Pod())); });
    CHECK(LinkOf(NetworkIn(machine), "net0") != nullptr);
}

TEST_CASE("3.0's interfaces and routes, with STARTPOD, alone, and undone") {
    const Fd machine = Machine();
    constexpr const char* kPod = R"({"hostname":"pod","shareDir":"hyperShared",
        "interfaces":[{"device":"x","newDeviceName":"eth0","macAddr":"02:cc:00:00:00:00","mtu":1400,
          "ipAddresses":[{"ipAddress":"172.18.0.2","netMask":"24"}]}],
        "routes":[{"dest":"default","gateway":"172.18.0.1","device":"eth0"},
          {"dest":"10.0.0.0","device":"eth0"}]})";
    const auto pod = ParseStartPod(kPod);
    REQUIRE_MESSAGE(pod, pod.error().message);
    test::InNamespace(machine, [&] {
        const auto started = StartNetwork(*pod);
        CHECK_MESSAGE(started, started.error().message);
    });
    Network network = NetworkIn(machine);
    const NetworkLink* link = LinkOf(network, "eth0");
    REQUIRE(link != nullptr);
    CHECK(link->mtu == 1400);
    REQUIRE(link->addresses.size() == 1);
    CHECK(link->addresses[0].address == "172.18.0.2/24");
    // The address's own, the default and that of class A.
    CHECK(network.routes.size() == 3);
    test::InNamespace(machine, [&] { CHECK(EndNetwork(pod->pod_network)); });
    network = NetworkIn(machine);
    CHECK(LinkOf(network, "eth0")->addresses.empty());
    CHECK_FALSE(LinkOf(network, "eth0")->up);
    CHECK(network.routes.empty());

    const auto interface = ParseSetupInterface(
        R"({"newDeviceName":"eth0","ipAddresses":[{"ipAddress":"10.9.0.2","netMask":"16"}]})");
    const auto routes = ParseSetupRoute(
        R"({"routes":[{"dest":"192.168.7.0/24","gateway":"10.9.0.1","device":"eth0"}]})");
    REQUIRE(interface);
    REQUIRE(routes);
    test::InNamespace(machine, [&] {
        CHECK(SetupInterface(*interface));
        CHECK(SetupRoutes(*routes));
    });
    network = NetworkIn(machine);
    CHECK(LinkOf(network, "eth0")->addresses.size() == 1);
    CHECK(network.routes.size() == 2);
}

namespace {

// As QEMU plugs in device `number`: its driver names it.
void PlugIn(const Fd& machine, int number, const std::string& name) {
    const netns::Socket socket = test::SocketIn(machine);
    test::MakeVeth(socket, Cat("far", number).c_str(), "plugging");
    const auto index = netns::FindLink(socket, "plugging");
    REQUIRE(index);
    const netns::LinkPtr link(rtnl_link_alloc()), changes(rtnl_link_alloc());
    rtnl_link_set_ifindex(link.get(), index->index);
    const auto mac = netns::ParseAddress(NicAddress(number), AF_LLC);
    REQUIRE(mac);
    rtnl_link_set_addr(changes.get(), mac->get());
    rtnl_link_set_name(changes.get(), name.c_str());
    REQUIRE(rtnl_link_change(socket.get(), link.get(), changes.get(), 0) == 0);
}

// The pod's network with a second link.
Network Two() {
    Network network = *Pod().network;
    NetworkLink link = network.links[0];
    link.name = "net1";
    link.mac = "02:42:00:00:00:03";
    link.device = NicAddress(1);
    link.addresses = {{"10.2.0.2/24"}};
    network.links.push_back(link);
    return network;
}

// UPDATENETWORK in the namespace of the caller.
Result<void> Change(
    NetworkDevice& device, const Network& was, const Network& wanted,
    const std::function<void()>& meanwhile = [] {}) {
    uv::Loop loop;
    Result<void> how = Fail("not answered");
    NetworkChange change(loop, device, was, wanted);
    uv::Timer later(loop, [&] { meanwhile(); });
    later.Start(std::chrono::milliseconds(50));
    change.Run([&](Result<void> done) {
        how = std::move(done);
        loop.Stop();
    });
    if (!how && how.error().message == "not answered") loop.Run();
    return how;
}

}  // namespace

TEST_CASE("a pod gets a link with a device that is plugged in a moment later, and loses it") {
    const Fd machine = Machine();
    test::InNamespace(machine, [&] {
        NetworkDevice device;
        const StartPod pod = Pod();
        REQUIRE(StartNetwork(pod));
        auto changed = Change(device, *pod.network, Two(), [&] { PlugIn(machine, 1, "eth7"); });
        REQUIRE_MESSAGE(changed, changed.error().message);
        Network network = NetworkIn(machine);
        REQUIRE(LinkOf(network, "net1") != nullptr);
        CHECK(LinkOf(network, "net1")->mac == "02:42:00:00:00:03");
        CHECK(LinkOf(network, "net1")->up);
        CHECK(LinkOf(network, "net1")->addresses.size() == 1);
        CHECK(LinkOf(network, "net0")->addresses.size() == 2);
        // The first one goes, and comes back under another name: both are the same device.
        Network second = Two();
        second.links.erase(second.links.begin());
        second.routes.clear();
        second.neighbours.clear();
        changed = Change(device, Two(), second);
        REQUIRE_MESSAGE(changed, changed.error().message);
        network = NetworkIn(machine);
        CHECK(LinkOf(network, "net0") == nullptr);
        CHECK(LinkOf(network, "net1") != nullptr);
        CHECK(network.routes.empty());
        Network again = Two();
        again.links[0].name = "back0";
        again.routes.clear();
        again.neighbours.clear();
        changed = Change(device, second, again);
        REQUIRE_MESSAGE(changed, changed.error().message);
        network = NetworkIn(machine);
        REQUIRE(LinkOf(network, "back0") != nullptr);
        CHECK(LinkOf(network, "back0")->mac == "02:42:00:00:00:02");
        CHECK(LinkOf(network, "back0")->addresses.size() == 2);
        // Repeated after a failure, when it may have been done half.
        CHECK(Change(device, second, again));
    });
}

TEST_CASE("a pod that was told nothing of a network is told of one later, or of none") {
    for (const bool comes : {true, false}) {
        CAPTURE(comes);
        const Fd machine = Machine();
        test::InNamespace(machine, [&] {
            NetworkDevice device;
            REQUIRE(HideUnusedDevice({"pod", "hyperShared"}, device));
            const ino_t here = OwnNamespace();
            Network wanted;
            if (comes) {
                wanted = Two();
                wanted.links.resize(1);
                wanted.routes.clear();
                wanted.neighbours.clear();
            }
            const auto changed = Change(device, {}, wanted);
            REQUIRE_MESSAGE(changed, changed.error().message);
            CHECK(OwnNamespace() == here);
        });
        CHECK((LinkOf(NetworkIn(machine), "net0") != nullptr) == comes);
        const auto left = netns::FindLinkByMac(test::SocketIn(machine), kNicAddress);
        CHECK(left.value_or(-1) == 0);  // either it has its link's address, or it is out of sight
    }
}

TEST_CASE("a pod that began without a network gets one where it is") {
    const Fd machine = Machine();
    test::InNamespace(machine, [&] {
        NetworkDevice device;
        StartPod pod{"pod", "hyperShared"};
        pod.network.emplace();
        REQUIRE(HideUnusedDevice(pod, device));
        REQUIRE(StartNetwork(pod));
        const ino_t here = OwnNamespace();
        PlugIn(machine, 1, "eth1");
        auto changed = Change(device, {}, Two());
        REQUIRE_MESSAGE(changed, changed.error().message);
        CHECK(OwnNamespace() == here);
        const auto own = [] {
            auto socket = netns::Socket::Open();
            REQUIRE(socket);
            return *netns::ReadNetwork(*socket);
        };
        REQUIRE(LinkOf(own(), "net0") != nullptr);
        REQUIRE(LinkOf(own(), "net1") != nullptr);
        CHECK(LinkOf(NetworkIn(machine), "net0") == nullptr);
        changed = Change(device, Two(), {});
        REQUIRE_MESSAGE(changed, changed.error().message);
        CHECK(own().links.empty());
    });
    CHECK(netns::FindLinkByMac(test::SocketIn(machine), kNicAddress).value_or(0) != 0);
    CHECK(netns::FindLinkByMac(test::SocketIn(machine), NicAddress(1)).value_or(0) != 0);
}

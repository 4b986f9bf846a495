// SPDX-License-Identifier: Apache-2.0
// Links that are devices of the host's, and links that a program serves.
#include "runtime/network/link_ways.h"

#include <algorithm>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netns/apply.h"
#include "netns/bus_info.h"
#include "runtime/network/cards.h"
#include "runtime/network/sandbox_network.h"
#include "tests/pci_host.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::runtime;

namespace {

constexpr const char* kFunction = "0000:03:10.0";

NetworkLink LinkAt(int index, const std::string& name, const std::string& address) {
    NetworkLink link;
    link.name = name;
    link.mac = Cat("02:42:00:00:00:0", index);
    link.mtu = 1500;
    link.up = true;
    link.index = index;
    link.addresses = {{address}};
    return link;
}

NetworkRoute RouteOver(const std::string& to, const std::vector<std::string>& links) {
    NetworkRoute route;
    route.destination = to;
    for (const auto& link : links)
        route.next_hops.push_back({link});
    return route;
}

// A namespace with eth0, whose driver says that it is `bus_info`, and eth1, a veth.
struct Found {
    test::PciHost pci;
    std::string bus_info = kFunction;
    LinkHost host{
        pci.Bus(), "/nowhere/vhostuser_",
        [this](const Fd&, const std::string& link) -> Result<std::string> {
            return link == "eth0" ? bus_info : std::string();
        },
        [this](const Fd&, const std::string&) -> Result<std::string> { return no_macvtap; }};
    std::string no_macvtap;
    Network network;
    NetworkRecord record;

    Found() {
        network.links = {LinkAt(2, "eth0", "10.0.0.2/24"), LinkAt(3, "eth1", "10.1.0.2/24")};
        network.routes = {RouteOver("10.5.0.0/16", {"eth0"}), RouteOver("10.6.0.0/16", {"eth1"}),
                          RouteOver("10.7.0.0/16", {"eth0", "eth1"})};
        network.neighbours = {{"eth0", "10.0.0.9", "02:00:00:00:00:09"}};
    }
    Result<NetworkPlan> Plan() {
        CC_ASSIGN(const LinkWays ways, FindWays(host, {}, network, record));
        return PlanNetwork(network, record, ways);
    }
    std::string WhyNotPlanned() {
        const auto plan = Plan();
        return plan ? "" : plan.error().message;
    }
};

bool Says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Fd Serve(const std::string& path) {
    auto listener = ListenUnix(path, SOCK_STREAM, 0600);
    REQUIRE_MESSAGE(listener, listener.error().message);
    return std::move(*listener);
}

}  // namespace

TEST_CASE("a device of the host's is given to the machine whole, and known there by its address") {
    Found found;
    const auto plan = found.Plan();
    REQUIRE_MESSAGE(plan, plan.error().message);
    REQUIRE(plan->cards.size() == 1);
    CHECK(plan->cards[0].card == Card{15, CardKind::kPhysical, kFunction});
    CHECK(plan->cards[0].driver == "ixgbevf");
    CHECK(plan->network.links[0].device == "02:42:00:00:00:02");
    CHECK(plan->network.links[1].device == kNicAddress);
    CHECK(CardOf(plan->cards, plan->network.links[0]) == &plan->cards[0]);
    CHECK(CardOf(plan->cards, plan->network.links[1]) == nullptr);
    CHECK_FALSE(NeedsSharedMemory(plan->cards));
    CHECK(CardsFromStart(plan->cards) == std::vector<Card>{plan->cards[0].card});
    // Changes nothing so far.
    CHECK(found.pci.writes.empty());
}

TEST_CASE("a link that left its namespace with its device stays the guest's") {
    Found found;
    auto plan = found.Plan();
    REQUIRE(plan);
    found.record.cards = plan->cards;
    found.record.told = plan->network;
    REQUIRE(TakeDevice(found.pci.Bus(), plan->cards[0]));
    CHECK(found.pci.Driver(kFunction) == "vfio-pci");
    // The kernel takes its routes along.
    found.network.links.erase(found.network.links.begin());
    found.network.routes = {RouteOver("10.6.0.0/16", {"eth1"})};
    found.network.neighbours.clear();
    const auto now = found.Plan();
    REQUIRE(now);
    CHECK(now->cards == plan->cards);
    REQUIRE(now->network.links.size() == 2);
    CHECK(now->network.links[1] == plan->network.links[0]);
    CHECK(std::count(now->network.routes.begin(), now->network.routes.end(),
                     RouteOver("10.5.0.0/16", {"eth0"})) == 1);
    CHECK(now->network.neighbours.size() == 1);
    // As often as it is looked.
    found.record.told = now->network;
    CHECK(found.Plan()->network == now->network);
    // Its record says all of it.
    SandboxRecord sandbox;
    sandbox.network = found.record;
    const auto again = ParseSandboxRecord(Encode(sandbox));
    REQUIRE_MESSAGE(again, again.error().message);
    CHECK(again->network.cards == found.record.cards);
    CHECK(again->network.policy == found.record.policy);
    // A driver that makes no link again is no reason to keep the device.
    CHECK(ReturnDevices(found.pci.Bus(), again->network.cards, {}));
    CHECK(found.pci.Driver(kFunction) == "ixgbevf");
    CHECK(ReturnDevices(found.pci.Bus(), again->network.cards, {}));
}

TEST_CASE("a device that was taken before the command was killed is the same one afterwards") {
    Found found;
    const auto plan = found.Plan();
    REQUIRE(plan);
    found.record.cards = plan->cards;  // saved, and nothing told
    const auto again = found.Plan();
    REQUIRE(again);
    CHECK(again->cards == plan->cards);
    CHECK(again->network == plan->network);
}

TEST_CASE("what the host cannot give is reached by a tap, unless the configuration insists") {
    struct {
        const char* device;
        const char* why;
    } const cases[] = {{"0000:04:00.0", "no IOMMU"},
                       {"0000:03:10.2", "nvme"},
                       {"0000:09:00.0", "no PCI device"},
                       {"0000:05:00.0", "no network device"}};
    for (const auto& [device, why] : cases) {
        CAPTURE(device);
        Found found;
        found.bus_info = device;
        auto plan = found.Plan();
        REQUIRE(plan);
        CHECK(plan->cards.empty());
        CHECK(plan->network.links[0].device == kNicAddress);
        found.record.policy.physical = PhysicalLinks::kVfio;
        const std::string message = found.WhyNotPlanned();
        for (const char* part : {"physical_interfaces", "eth0", why})
            CHECK_MESSAGE(Says(message, part), message);
    }
    Found found;
    found.record.policy.physical = PhysicalLinks::kTap;
    CHECK(found.Plan()->cards.empty());
    found.record.policy = {LinkModel::kTcfilter, PhysicalLinks::kVfio,
                           MostNics(MachineType::kMicrovm)};
    CHECK(Says(found.WhyNotPlanned(), "machine_type"));
    // What is no PCI device is no matter for vfio.
    found.bus_info = "usb-0000:00:14.0-1";
    CHECK(found.Plan()->cards.empty());
}

TEST_CASE("a link that a program serves has a device with that program's socket") {
    test::Scratch scratch;
    Found found;
    found.bus_info.clear();
    found.host.vhost_user = scratch / "vhostuser_";
    const std::string directory = scratch / "vhostuser_10.1.0.2", path = directory + "/vhu.sock";
    REQUIRE(MakeDirectories(directory, 0755));
    CHECK(found.Plan()->cards.empty());
    const Fd listener = Serve(path);
    auto plan = found.Plan();
    REQUIRE(plan);
    REQUIRE(plan->cards.size() == 1);
    CHECK(plan->cards[0].card == Card{15, CardKind::kVhostUser, path});
    CHECK(plan->network.links[0].device == kNicAddress);
    CHECK(plan->network.links[1].device == NicAddress(15));
    CHECK(NeedsSharedMemory(plan->cards));
    // It keeps its device, and nobody else gets that, whatever becomes of the link.
    found.record.cards = plan->cards;
    found.record.told = plan->network;
    CHECK(found.Plan()->network == plan->network);
    found.network.links[1] = LinkAt(7, "eth2", "10.2.0.2/24");
    found.network.links[1].mac = plan->network.links[1].mac;
    CHECK(found.Plan()->network.links[1].device == NicAddress(1));
    found.record = {};
    found.network.links[1] = LinkAt(3, "eth1", "10.1.0.2/24");
    found.record.policy.devices = 1;
    CHECK(Says(found.WhyNotPlanned(), "vhost-user"));
    found.record.policy.devices = 5;
    CHECK(found.Plan()->cards[0].card.number == 4);
    CHECK(found.Plan()->network.links[1].device == NicAddress(4));

    // Anybody may make directories in /tmp.
    REQUIRE(::chmod(directory.c_str(), 0777) == 0);
    CHECK(found.Plan()->cards.empty());
    REQUIRE(::chmod(directory.c_str(), 0755) == 0);
    CHECK(found.Plan()->cards.size() == 1);
    REQUIRE(::lchown(directory.c_str(), 12345, 0) == 0);
    CHECK(found.Plan()->cards.empty());
    REQUIRE(::lchown(directory.c_str(), ::geteuid(), 0) == 0);
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(WriteFileAtomic(path, "", 0600));
    CHECK(found.Plan()->cards.empty());
}

TEST_CASE("with macvtap each link that can carry one has one, and keeps it") {
    Found found;
    found.bus_info.clear();
    found.record.policy.model = LinkModel::kMacvtap;
    auto plan = found.Plan();
    REQUIRE_MESSAGE(plan, plan.error().message);
    REQUIRE(plan->cards.size() == 2);
    CHECK(plan->cards[0].card == Card{15, CardKind::kMacvtap, "eth0"});
    CHECK(plan->cards[1].card == Card{14, CardKind::kMacvtap, "eth1"});
    CHECK(plan->network.links[0].device == NicAddress(15));
    CHECK_FALSE(NeedsSharedMemory(plan->cards));
    CHECK(CardsFromStart(plan->cards).empty());
    // Nothing of it is kept by a machine that begins.
    CHECK(FirstPart(plan->network).links.empty());
    // Recorded, and then the command was killed.
    found.record.cards = plan->cards;
    CHECK(found.Plan()->cards == plan->cards);
    found.record.told = plan->network;
    CHECK(found.Plan()->network == plan->network);
    SandboxRecord sandbox;
    sandbox.network = found.record;
    CHECK(ParseSandboxRecord(Encode(sandbox))->network.cards == plan->cards);
    CHECK(ParseSandboxRecord(Encode(sandbox))->network.policy == found.record.policy);
    // A new link of that name is another one, and a macvtap cannot move.
    found.network.links[0].index = 12;
    const auto anew = found.Plan();
    REQUIRE(anew);
    REQUIRE(anew->cards.size() == 3);
    CHECK(anew->cards[2].card == Card{13, CardKind::kMacvtap, "eth0"});
    CHECK(anew->network.links[0].device == NicAddress(13));
    // Where there can be none: as by default.
    found.record = {};
    found.record.policy.model = LinkModel::kMacvtap;
    found.no_macvtap = "it is a macvlan";
    CHECK(found.Plan()->cards.empty());
    CHECK(found.Plan()->network.links[0].device == kNicAddress);
    found.no_macvtap.clear();
    found.record.policy.devices = MostNics(MachineType::kMicrovm);
    found.network.links.pop_back();
    CHECK(found.Plan()->cards.empty());
    // A device of the host's, and one that a program serves, are what they are.
    found.record.policy.devices = kMostNics;
    found.bus_info = kFunction;
    CHECK(found.Plan()->cards[0].card.kind == CardKind::kPhysical);
}

TEST_CASE("cards and taps share the room that a machine has") {
    Found found;
    found.record.policy.devices = MostNics(MachineType::kQ35);
    for (int i = 4; i < 7; ++i)
        found.network.links.push_back(LinkAt(i, Cat("eth", i), Cat("10.", i, ".0.2/24")));
    auto plan = found.Plan();
    REQUIRE(plan);
    CHECK(plan->cards[0].card.number == 4);
    CHECK(plan->network.links[4].device == NicAddress(3));
    CHECK(CheckPlan(*plan, MachineType::kQ35));
    // The tap that every machine begins with counts, though nobody has it.
    const NetworkPlan full{
        {.links = {LinkAt(2, "eth0", "10.0.0.2/24")}, .routes = {}, .neighbours = {}},
        std::vector<CardRecord>(1)};
    CHECK_FALSE(CheckPlan(full, MachineType::kMicrovm));
    found.network.links.push_back(LinkAt(8, "eth8", "10.8.0.2/24"));
    plan = found.Plan();
    REQUIRE(plan);
    const auto refused = CheckPlan(*plan, MachineType::kQ35);
    REQUIRE_FALSE(refused);
    for (const char* part : {"eth8", "q35"})
        CHECK_MESSAGE(Says(refused.error().message, part), refused.error().message);
}

TEST_CASE("a link that is no device has no place on a bus") {
    const Fd place = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(place);
    test::MakeVeth(socket, "eth0", "far");
    CHECK(netns::BusInfoOf(place, "eth0").value_or("?").empty());
    CHECK_FALSE(netns::BusInfoOf(place, "eth9"));
    // With what this host really has.
    NetworkRecord record;
    Network network;
    network.links = {LinkAt(2, "eth0", "10.0.0.2/24")};
    CHECK(FindWays({}, place, network, record).value_or(LinkWays{{1, {}}}).empty());
}

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_full.h"
#include "netns/apply.h"
#include "netns/bridge.h"
#include "netns/macvtap.h"
#include "netns/redirect.h"
#include "runtime/network/expected.h"
#include "runtime/network/sandbox_network.h"
#include "tests/unit/netns/namespace.h"
#include "tests/unit/runtime/temp_directory.h"
#include "vmm/nic.h"

using namespace cc;
using namespace cc::runtime;

namespace {

NetworkLink Link(const std::string& name, std::vector<LinkAddress> addresses) {
    NetworkLink link;
    link.name = name;
    link.mac = "02:42:ac:11:00:02";
    link.mtu = 1400;
    link.up = true;
    link.addresses = std::move(addresses);
    return link;
}

NetworkRoute Route(const std::string& to, const std::vector<std::string>& links) {
    NetworkRoute route;
    route.destination = to;
    for (const auto& link : links)
        route.next_hops.push_back({link});
    return route;
}

// With taps only.
Result<Network> Plan(Network found, const Network& told = {}) {
    NetworkRecord record;
    record.told = told;
    CC_ASSIGN(NetworkPlan plan, PlanNetwork(std::move(found), record, {}));
    CHECK(plan.cards.empty());
    return std::move(plan.network);
}

std::string WhyNot(Network network) {
    const auto plan = Plan(std::move(network));
    return plan ? "" : plan.error().message;
}

}  // namespace

TEST_CASE("links with addresses are the container's, with what leads over them") {
    Network found;
    found.links = {Link("tunl0", {}), Link("eth0", {{"10.0.0.2/24"}}),
                   Link("eth1", {{"10.1.0.2/24"}})};
    found.routes = {Route("0.0.0.0/0", {"eth0"}), Route("10.5.0.0/16", {"tunl0"}),
                    Route("10.6.0.0/16", {"eth0", "tunl0"}), Route("10.7.0.0/16", {}),
                    Route("10.8.0.0/16", {"eth0", "eth1"})};
    found.neighbours = {{"eth0", "10.0.0.9", "02:00:00:00:00:09"},
                        {"tunl0", "10.5.0.9", "02:00:00:00:00:09"}};
    const auto plan = Plan(found);
    REQUIRE_MESSAGE(plan, plan.error().message);
    CHECK(NamesOf(plan->links) == std::vector<std::string>{"eth0", "eth1"});
    CHECK(plan->links[0].device == kNicAddress);
    CHECK(plan->links[1].device == NicAddress(1));
    REQUIRE(plan->routes.size() == 3);
    CHECK(plan->routes[1].destination == "10.7.0.0/16");
    CHECK(plan->neighbours.size() == 1);
    // What a machine has from the start is enough for this.
    const Network first = FirstPart(*plan);
    CHECK(NamesOf(first.links) == std::vector<std::string>{"eth0"});
    CHECK(first.routes.size() == 2);
}

TEST_CASE("a link keeps its device whatever else comes and goes, by its index") {
    Network found;
    for (int index = 2; index < 5; ++index) {
        found.links.push_back(Link(Cat("eth", index - 2), {{Cat("10.", index, ".0.2/24")}}));
        found.links.back().index = index;
        found.links.back().mac = Cat("02:42:00:00:00:0", index);
    }
    const auto told = Plan(found);
    REQUIRE(told);
    CHECK(Plan(found, *told) == *told);
    found.links.erase(found.links.begin());
    found.links[0].name = "renamed";
    const auto less = Plan(found, *told);
    REQUIRE(less);
    CHECK(less->links[0].device == NicAddress(1));
    CHECK(less->links[1].device == NicAddress(2));
    // One with an old name is a new link all the same, and gets the device that is idle.
    found.links.push_back(Link("eth0", {{"10.9.0.2/24"}}));
    found.links.back().index = 9;
    const auto more = Plan(found, *less);
    REQUIRE(more);
    CHECK(more->links[2].device == NicAddress(0));
    // All made anew, the other way round: each address stays with its device.
    Network anew = *more;
    std::reverse(anew.links.begin(), anew.links.end());
    for (auto& link : anew.links) {
        link.index += 20;
        link.device.clear();
    }
    const auto same = Plan(anew, *more);
    REQUIRE(same);
    for (const auto& link : same->links)
        for (const auto& before : more->links)
            CHECK((link.mac == before.mac) == (link.device == before.device));
}

TEST_CASE("a namespace without addresses is that of --network none") {
    Network found;
    found.links = {Link("eth0", {})};
    found.routes = {Route("10.7.0.0/16", {})};
    const auto plan = Plan(found);
    REQUIRE(plan);
    CHECK(*plan == Network{});
}

TEST_CASE("what a machine cannot be given is said, with what to do") {
    Network found;
    found.links = {Link("wg0", {{"10.0.0.2/24"}})};
    found.links[0].mac.clear();
    CHECK(WhyNot(found).find("wg0") != std::string::npos);
    found.links.clear();
    for (int i = 0; i <= kMostNics; ++i)
        found.links.push_back(Link(Cat("eth", i), {{Cat("10.", i, ".0.2/24")}}));
    CHECK(WhyNot(found).find("eth0, eth1") != std::string::npos);
    found.links.resize(2);
    const auto plan = Plan(found);
    REQUIRE(plan);
    CHECK(CheckPlan({*plan, {}}, MachineType::kPc));
    CHECK(CheckPlan({*plan, {}}, MachineType::kQ35));
    const auto refused = CheckPlan({*plan, {}}, MachineType::kMicrovm);
    REQUIRE_FALSE(refused);
    for (const char* part : {"(eth0, eth1)", "microvm", "fewer networks"})
        CHECK_MESSAGE(refused.error().message.find(part) != std::string::npos, part);
}

TEST_CASE("the host's network is known for what it is") {
    const auto own = OpenFile("/proc/self/ns/net", O_RDONLY);
    REQUIRE(own);
    CHECK(IsHostNetwork(*own).value_or(false));
    CHECK_FALSE(IsHostNetwork(test::NewNetworkNamespace()).value_or(true));
    CHECK(RefuseHostNetwork().value().message.find("--network") != std::string::npos);
}

TEST_CASE("a link is joined with a machine's tap, and released when the machine has gone") {
    const Fd container = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(container);
    test::MakeVeth(socket, "eth0", "host");
    REQUIRE(netns::ApplyLink(socket, Link("eth0", {{"10.0.0.2/24"}})));
    const auto plan = PlanNetwork(container, {});
    REQUIRE_MESSAGE(plan, plan.error().message);
    CHECK(CheckUnused(container));
    CHECK(plan->cards.empty());

    // The keeper's part.
    std::optional<Nic> nic;
    Fd tap;
    const Fd keeper = test::NewNetworkNamespace([&] {
        auto made = Nic::Make(0, 1, false);
        REQUIRE_MESSAGE(made, made.error().message);
        nic.emplace(std::move(*made));
        tap = std::move(nic->Release().taps.front());
        auto attached = nic->Attach(container.Duplicate().value());
        CHECK_MESSAGE(attached, attached.error().message);
        CHECK(nic->Attach(container.Duplicate().value()));
        attached = nic->Attach(test::NewNetworkNamespace());
        REQUIRE_FALSE(attached);
        CHECK(attached.error().message.find("already") != std::string::npos);
    });
    auto joined = JoinTap(container, plan->network, plan->network.links[0], {});
    REQUIRE_MESSAGE(joined, joined.error().message);
    const auto eth0 = netns::FindLink(socket, "eth0"),
               inside = netns::FindLink(socket, std::string(kTapName));
    REQUIRE(eth0);
    REQUIRE(inside);
    CHECK(netns::HasIngress(socket, eth0->index).value_or(false));
    CHECK(netns::HasIngress(socket, inside->index).value_or(false));
    // The engine's link keeps what it had; nobody else can have the namespace.
    const auto again = CheckUnused(container);
    REQUIRE_FALSE(again);
    CHECK(again.error().message.find("one pod") != std::string::npos);

    const std::string path = Cat("/proc/self/fd/", container.get());
    auto record = RecordOf(container, path);
    REQUIRE(record);
    record->links = {"gone", "eth0"};
    tap.Reset();  // as when the VMM dies
    CHECK_FALSE(netns::FindLink(socket, std::string(kTapName)));
    const Fd found = FindNetwork(*record, {});
    CHECK(found);
    CHECK(LeaveTap(found, *record));
    CHECK_FALSE(netns::HasIngress(socket, eth0->index).value_or(true));
    CHECK(LeaveTap(found, *record));
    CHECK(netns::DeleteLink(socket, "eth0"));
    CHECK(LeaveTap(found, *record));
    CHECK(LeaveTap({}, *record));
}

TEST_CASE("a link is joined by a bridge, or by tcfilter where it cannot be its port") {
    for (const bool busy : {false, true}) {
        CAPTURE(busy);
        const Fd container = test::NewNetworkNamespace();
        const netns::Socket socket = test::SocketIn(container);
        test::MakeVeth(socket, "eth0", "host");
        REQUIRE(netns::ApplyLink(socket, Link("eth0", {{"10.0.0.2/24"}})));
        const auto plan = PlanNetwork(container, {});
        REQUIRE(plan);
        // Somebody else's bridge has it.
        if (busy) REQUIRE(netns::Bridge(socket, "other", {netns::FindLink(socket, "eth0")->index}));
        std::optional<Nic> nic;
        test::NewNetworkNamespace([&] {
            nic.emplace(Nic::Make(0, 1, false).value());
            CHECK(nic->Attach(container.Duplicate().value()));
        });
        for (int i = 0; i < 2; ++i) {
            const auto joined = JoinTap(container, plan->network, plan->network.links[0],
                                        {.model = LinkModel::kBridged});
            REQUIRE_MESSAGE(joined, joined.error().message);
        }
        const auto eth0 = netns::FindLink(socket, "eth0");
        CHECK(bool(netns::FindLink(socket, BridgeName(0))) == !busy);
        CHECK(netns::HasIngress(socket, eth0->index).value_or(!busy) == busy);
        CHECK_FALSE(CheckUnused(container));
        // Also when the machine is there still.
        NetworkRecord record;
        record.links = {"eth0"};
        CHECK(LeaveTap(container, record));
        for (const auto& name : {BridgeName(0), TapName(0)})
            CHECK_FALSE(netns::FindLink(socket, name));
        CHECK_FALSE(netns::HasIngress(socket, eth0->index).value_or(true));
        CHECK(CheckUnused(container));
    }
}

TEST_CASE("a macvtap ends with the keeper's device, or is removed after it was killed") {
    const Fd container = test::NewNetworkNamespace();
    const netns::Socket socket = test::SocketIn(container);
    if (!netns::KnowsMacvtap(socket)) {
        MESSAGE("SKIPPED: this kernel has no macvtap");
        return;
    }
    test::MakeVeth(socket, "eth0", "host");
    REQUIRE(netns::ApplyLink(socket, Link("eth0", {{"10.0.0.2/24"}})));
    const auto make = [&] {
        return Nic::MakeMacvtap(15, container.Duplicate().value(), "eth0", 2, false);
    };
    {
        const auto nic = make();
        REQUIRE_MESSAGE(nic, nic.error().message);
        CHECK(nic->back_end().taps.size() == 2);
        CHECK(netns::FindLink(socket, TapName(15)));
        NetworkLink link = Link("eth0", {});
        link.mtu = 1300;
        CHECK(FitMacvtap(container, {{link}, {}, {}}, link, 15, {}));
        // One above it is enough, and the one that is there stays.
        CHECK_FALSE(make());
        CHECK(netns::FindLink(socket, TapName(15)));
    }
    CHECK_FALSE(netns::FindLink(socket, TapName(15)));
    REQUIRE(netns::AddMacvtap(socket, TapName(15), "eth0"));
    CHECK(LeaveTap(container, {}));
    CHECK_FALSE(netns::FindLink(socket, TapName(15)));
    CHECK_FALSE(Nic::MakeMacvtap(15, container.Duplicate().value(), "eth9", 2, false));
    CHECK_FALSE(Nic::MakeMacvtap(15, OpenFile("/dev/null", O_RDONLY).value(), "eth0", 2, false));
}

TEST_CASE("another namespace at the same place is left alone") {
    const Fd container = test::NewNetworkNamespace();
    NetworkRecord record;
    record.path = Cat("/proc/self/fd/", container.get());
    record.inode = 1;
    CHECK_FALSE(FindNetwork(record, {}));
    record.path = "/nowhere";
    CHECK_FALSE(FindNetwork(record, {}));
    record = {};
    CHECK_FALSE(FindNetwork(record, {}));
}

TEST_CASE("a file of hosts tells whether a container is about to have an address") {
    const std::string always =
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost web\n"
        "fe00::0\tip6-localnet\n\n# 10.0.0.9 web\n#\n";
    CHECK_FALSE(HasAddress(always, "web"));
    CHECK_FALSE(HasAddress("", "web"));
    CHECK_FALSE(HasAddress(always + "127.0.1.1 web\n10.0.0.3 other webb\n10.0.0.4", "web"));
    CHECK(HasAddress(always + "172.17.0.2\tweb\n", "web"));
    CHECK(HasAddress(always + "fd00::2 web.example web", "web"));
    const test::TempDirectory directory;
    const std::string hosts = directory / "hosts";
    REQUIRE(WriteFileAtomic(hosts, always + "172.17.0.2\tweb\n", 0644));
    Json json = {{"ociVersion", "1.0.2"},
                 {"hostname", "web"},
                 {"process", {{"args", {"x"}}, {"cwd", "/"}}},
                 {"root", {{"path", "rootfs"}}}};
    const auto expects = [&json] { return ExpectsNetwork(ParseSpec(DumpJson(json)).value()); };
    CHECK_FALSE(expects());
    json["mounts"] = {{{"destination", "/etc/hosts"}, {"type", "bind"}, {"source", hosts}}};
    CHECK(expects());
    json["hostname"] = "other";
    CHECK_FALSE(expects());
    json["hostname"] = "web";
    json["mounts"][0]["source"] = directory.path();
    CHECK_FALSE(expects());
}

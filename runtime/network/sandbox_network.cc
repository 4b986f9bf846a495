// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/sandbox_network.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "netns/apply.h"
#include "netns/bridge.h"
#include "netns/guard.h"
#include "netns/redirect.h"
#include "netns/scan.h"
#include "runtime/network/cards.h"
#include "runtime/sandbox/shim_process.h"

namespace cc::runtime {

namespace {

Result<uint64_t> InodeOf(const Fd& network_namespace) {
    struct stat status {};
    if (::fstat(network_namespace.get(), &status) < 0)
        return FailErrno("looking at the network namespace");
    return status.st_ino;
}

const NetworkLink* Find(const std::vector<NetworkLink>& links, const std::string& name) {
    const auto found = std::find_if(links.begin(), links.end(),
                                    [&](const NetworkLink& link) { return link.name == name; });
    return found == links.end() ? nullptr : &*found;
}

Result<std::vector<std::string>> OwnLinks(const netns::Socket& socket) {
    CC_ASSIGN(const netns::CachePtr links, netns::ReadLinks(socket));
    std::vector<std::string> names;
    for (auto* object = nl_cache_get_first(links.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        const char* name = rtnl_link_get_name(reinterpret_cast<rtnl_link*>(object));
        if (name != nullptr && IsOwnLinkName(name)) names.emplace_back(name);
    }
    return names;
}

// Nothing is left that needs a link which is not there.
void DropOthers(Network& network) {
    const auto there = [&](const std::string& name) {
        return Find(network.links, name) != nullptr;
    };
    std::erase_if(network.routes, [&](const NetworkRoute& route) {
        return !std::all_of(route.next_hops.begin(), route.next_hops.end(),
                            [&](const NextHop& hop) { return there(hop.link); });
    });
    std::erase_if(network.neighbours,
                  [&](const NetworkNeighbour& neighbour) { return !there(neighbour.link); });
}

Result<void> CheckEthernet(const std::vector<NetworkLink>& links) {
    for (const auto& link : links)
        if (link.mac.empty())
            return Fail(Cat("the link ", link.name,
                            " in the network namespace is no Ethernet link; a virtual machine can "
                            "be given nothing else: connect the container to a bridge network"));
    return {};
}

bool IsTaken(const std::vector<NetworkLink>& links, const std::string& device) {
    return std::any_of(links.begin(), links.end(),
                       [&](const NetworkLink& link) { return link.device == device; });
}

bool IsCard(const std::vector<CardRecord>& cards, const std::string& device) {
    return std::any_of(cards.begin(), cards.end(), [&](const CardRecord& card) {
        return NicAddress(card.card.number) == device || DeviceOf(card) == device;
    });
}

// One that no link has. Taps are numbered from below and stay in the machine, others from above, so
// that one does not find the other in its place. Whether the machine has room for so many taps its
// keeper knows.
Result<int> FreeDevice(const std::vector<NetworkLink>& links, const NetworkPlan& plan,
                       const LinkPolicy& policy, bool tap) {
    const int first = tap ? 0 : 1, most = tap ? kMostNics : std::max(policy.devices, 1);
    for (int i = first; i < most; ++i) {
        const int number = tap ? i : most - i;
        const std::string device = NicAddress(number);
        if (!IsTaken(links, device) && !IsCard(plan.cards, device)) return number;
    }
    return Fail(Cat("the network namespace has ", links.size(), " links with addresses (",
                    Join(NamesOf(links), ", "), "); a virtual machine can be given ", most));
}

// One that was taken already, by a call that was interrupted, is the same device still.
Result<std::string> AssignCard(const NetworkLink& link, const LinkWay& way, NetworkPlan& plan,
                               const LinkPolicy& policy) {
    CardRecord card;
    card.card = {0, way.kind, way.source};
    card.driver = way.driver;
    if (way.kind == CardKind::kMacvtap) card.below = link.index;
    if (way.kind == CardKind::kPhysical) card.held = PartOf(plan.network, link);
    for (auto& known : plan.cards)
        if (known.card.kind == way.kind && known.card.source == way.source &&
            (way.kind != CardKind::kMacvtap || known.below == link.index)) {
            known.held = card.held;
            return DeviceOf(known);
        }
    CC_ASSIGN(card.card.number, FreeDevice(plan.network.links, plan, policy, false));
    plan.cards.push_back(card);
    return DeviceOf(card);
}

// What left the namespace with its device, as it was there. A new link of that name wins.
void AddHeld(Network& found, const std::vector<CardRecord>& cards) {
    for (const auto& card : cards) {
        const Network& held = card.held;
        if (held.links.empty() || Find(found.links, held.links.front().name) != nullptr) continue;
        found.links.push_back(held.links.front());
        found.routes.insert(found.routes.end(), held.routes.begin(), held.routes.end());
        found.neighbours.insert(found.neighbours.end(), held.neighbours.begin(),
                                held.neighbours.end());
    }
}

// A link that was made anew, as engines do, has its address again, and with the same device no
// other can have that address meanwhile.
Result<void> AssignDevices(NetworkPlan& plan, const NetworkRecord& record, const LinkWays& ways) {
    auto& links = plan.network.links;
    const Network& told = record.told;
    for (auto& link : links)
        for (const auto& known : told.links)
            if (known.index == link.index) link.device = known.device;
    for (auto& link : links)
        if (const auto way = ways.find(link.index); link.device.empty() && way != ways.end()) {
            CC_ASSIGN(link.device, AssignCard(link, way->second, plan, record.policy));
        }
    for (auto& link : links)
        for (const auto& known : told.links)
            if (link.device.empty() && known.mac == link.mac && !IsTaken(links, known.device) &&
                !IsCard(plan.cards, known.device))
                link.device = known.device;
    for (auto& link : links)
        if (link.device.empty()) {
            CC_ASSIGN(const int number, FreeDevice(links, plan, record.policy, true));
            link.device = NicAddress(number);
        }
    return {};
}

Result<void> GuardDevice(const netns::Socket& socket, int index, netns::GuardedWay way,
                         const Network& network, const NetworkLink& link,
                         const LinkPolicy& policy) {
    if (!policy.guarded) return {};
    CC_ASSIGN(const netns::SenderRules rules, netns::RulesFor(network, link));
    auto guarded = netns::Guard(socket, index, way, rules);
    if (guarded || guarded.error().code != ENOENT) return guarded;
    Log(LogLevel::kWarn, "a virtual machine may send from addresses that are not its own",
        {{"link", link.name}, {"why", guarded.error().message}});
    return {};
}

}  // namespace

Result<bool> IsHostNetwork(const Fd& network_namespace) {
    CC_ASSIGN(const uint64_t asked, InodeOf(network_namespace));
    for (const auto* path : {"/proc/self/ns/net", "/proc/1/ns/net"}) {
        // Where this process may not look at the first one, its own must do.
        const auto own = OpenNetworkNamespace(path);
        if (own && InodeOf(*own).value_or(0) == asked) return true;
    }
    return false;
}

Failure RefuseHostNetwork() {
    return Fail(
        "linux.namespaces: the container is to use the host's network, which a virtual machine "
        "cannot: give it a network of its own (--network bridge, the default of most engines, and "
        "--publish for ports that shall be reached from outside) or none (--network none)");
}

Result<NetworkPlan> PlanNetwork(const Fd& network_namespace, const NetworkRecord& record,
                                const LinkHost& host) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(Network found, Context("reading the network namespace", netns::ReadNetwork(socket)));
    CC_ASSIGN(const LinkWays ways, FindWays(host, network_namespace, found, record));
    return PlanNetwork(std::move(found), record, ways);
}

Result<NetworkPlan> PlanNetwork(Network found, const NetworkRecord& record, const LinkWays& ways) {
    NetworkPlan plan{std::move(found), record.cards};
    Network& network = plan.network;
    AddHeld(network, plan.cards);
    std::erase_if(network.links, [](const NetworkLink& link) { return link.addresses.empty(); });
    if (network.links.empty()) {
        network = {};
        return plan;
    }
    CC_TRY(CheckEthernet(network.links));
    CC_TRY(AssignDevices(plan, record, ways));
    DropOthers(network);
    return plan;
}

Result<void> CheckUnused(const Fd& network_namespace) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(const auto ours, OwnLinks(socket));
    if (!ours.empty())
        return Fail(
            "the network namespace is that of another container's virtual machine; containers "
            "that shall share a network must be made as one pod");
    return {};
}

Result<void> CheckPlan(const NetworkPlan& plan, MachineType machine) {
    const auto& links = plan.network.links;
    // The tap that every machine begins with is there, used or not.
    const size_t taps = std::max<size_t>(links.size() - plan.cards.size(), 1);
    if (taps + plan.cards.size() > static_cast<size_t>(MostNics(machine)))
        return Fail(Cat("the network namespace has ", links.size(), " links with addresses (",
                        Join(NamesOf(links), ", "), "); a virtual machine of the type ",
                        Name(machine), " can be given ", MostNics(machine),
                        ": connect the container to fewer networks, or set machine_type"));
    return {};
}

Network FirstPart(const Network& plan) {
    Network part = plan;
    std::erase_if(part.links, [](const NetworkLink& link) { return link.device != kNicAddress; });
    DropOthers(part);
    return part;
}

std::vector<std::string> NamesOf(const std::vector<NetworkLink>& links) {
    std::vector<std::string> names;
    names.reserve(links.size());
    for (const auto& link : links)
        names.push_back(link.name);
    return names;
}

Result<NetworkRecord> RecordOf(const Fd& network_namespace, const std::string& path) {
    NetworkRecord record;
    record.path = path;
    CC_ASSIGN(record.inode, InodeOf(network_namespace));
    return record;
}

Result<void> FitMacvtap(const Fd& network_namespace, const Network& network,
                        const NetworkLink& link, int number, const LinkPolicy& policy) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    NetworkLink macvtap;
    macvtap.name = TapName(number);
    macvtap.mtu = link.mtu;
    CC_ASSIGN(const netns::FoundLink found, netns::FindLink(socket, macvtap.name));
    CC_TRY(Context("the machine's macvtap", netns::ApplyLink(socket, macvtap)));
    return GuardDevice(socket, found.index, netns::GuardedWay::kOut, network, link, policy);
}

Result<void> JoinTap(const Fd& network_namespace, const Network& network, const NetworkLink& link,
                     const LinkPolicy& policy) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(const int number, NicNumber(link.device));
    NetworkLink tap;
    tap.name = TapName(number);
    tap.mtu = link.mtu;
    tap.up = true;
    CC_TRY(Context("the machine's tap", netns::ApplyLink(socket, tap)));
    CC_ASSIGN(const netns::FoundLink inside, netns::FindLink(socket, tap.name));
    CC_ASSIGN(const netns::FoundLink outside, netns::FindLink(socket, link.name));
    const std::string what = Cat("joining ", link.name, " and ", tap.name);
    CC_TRY(Context(what, netns::AddIngress(socket, inside.index)));
    CC_TRY(Context(
        what, GuardDevice(socket, inside.index, netns::GuardedWay::kIn, network, link, policy)));
    if (policy.model == LinkModel::kBridged) {
        const auto bridged =
            netns::Bridge(socket, BridgeName(number), {outside.index, inside.index});
        if (bridged) return {};
        Log(LogLevel::kWarn, "a link is joined by tcfilter instead of a bridge",
            {{"link", link.name}, {"why", bridged.error().message}});
    }
    CC_TRY(Context(what, netns::HandOver(socket, inside.index, outside.index)));
    return Context(what, netns::Redirect(socket, outside.index, inside.index));
}

Result<void> GuardLink(const Fd& network_namespace, const Network& network, const NetworkLink& link,
                       int number, const LinkPolicy& policy) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(const netns::FoundLink device, netns::FindLink(socket, TapName(number)));
    CC_ASSIGN(const bool tap, netns::HasIngress(socket, device.index));
    return Context(
        Cat("guarding ", link.name),
        GuardDevice(socket, device.index, tap ? netns::GuardedWay::kIn : netns::GuardedWay::kOut,
                    network, link, policy));
}

Fd FindNetwork(const NetworkRecord& record, const ProcessId& shim) {
    if (record.inode == 0) return {};
    if (record.path.empty() && !IsAlive(shim)) return {};
    auto found =
        record.path.empty() ? NetworkNamespaceOf(shim.pid) : OpenNetworkNamespace(record.path);
    if (!found || InodeOf(*found).value_or(0) != record.inode) return {};
    return std::move(*found);
}

Result<void> LeaveTap(const Fd& network_namespace, const NetworkRecord& record) {
    if (!network_namespace) return {};
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    // Bridges and macvtaps outlive the machine.
    CC_ASSIGN(const auto ours, OwnLinks(socket));
    Result<void> left;
    for (const auto& name : ours) {
        auto deleted = netns::DeleteLink(socket, name);
        if (!deleted && left) left = std::move(deleted);
    }
    for (const auto& name : record.links) {
        const auto link = netns::FindLink(socket, name);
        // Engines take their links away before us.
        if (!link && link.error().code == ENODEV) continue;
        auto released = link ? netns::StopRedirecting(socket, link->index)
                             : Result<void>(Failure(link.error()));
        if (!released && left) left = Context(Cat("releasing ", name), std::move(released));
    }
    return left;
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/sandbox_network.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/text.h"
#include "netns/apply.h"
#include "netns/redirect.h"
#include "netns/scan.h"
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

// The first that no link has.
Result<std::string> FreeDevice(const std::vector<NetworkLink>& links) {
    for (int number = 0; number < kMostNics; ++number)
        if (std::string device = NicAddress(number); !IsTaken(links, device)) return device;
    return Fail(Cat("the network namespace has ", links.size(), " links with addresses (",
                    Join(NamesOf(links), ", "), "); a virtual machine can be given ", kMostNics));
}

// A link that was made anew, as engines do, has its address again, and with the same device no
// other can have that address meanwhile.
Result<void> AssignDevices(std::vector<NetworkLink>& links, const Network& told) {
    for (auto& link : links)
        for (const auto& known : told.links)
            if (known.index == link.index) link.device = known.device;
    for (auto& link : links)
        for (const auto& known : told.links)
            if (link.device.empty() && known.mac == link.mac && !IsTaken(links, known.device))
                link.device = known.device;
    for (auto& link : links)
        if (link.device.empty()) {
            CC_ASSIGN(link.device, FreeDevice(links));
        }
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

Result<Network> PlanNetwork(const Fd& network_namespace, const Network& told) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(Network found, Context("reading the network namespace", netns::ReadNetwork(socket)));
    return PlanNetwork(std::move(found), told);
}

Result<Network> PlanNetwork(Network found, const Network& told) {
    std::erase_if(found.links, [](const NetworkLink& link) { return link.addresses.empty(); });
    if (found.links.empty()) return Network{};
    CC_TRY(CheckEthernet(found.links));
    CC_TRY(AssignDevices(found.links, told));
    DropOthers(found);
    return found;
}

Result<void> CheckPlan(const Fd& network_namespace, const Network& plan, MachineType machine) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    if (netns::FindLink(socket, std::string(kTapName)))
        return Fail(
            "the network namespace is that of another container's virtual machine; containers "
            "that shall share a network must be made as one pod");
    if (plan.links.size() > static_cast<size_t>(MostNics(machine)))
        return Fail(Cat("the network namespace has ", plan.links.size(), " links with addresses (",
                        Join(NamesOf(plan.links), ", "), "); a virtual machine of the type ",
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

Result<void> JoinTap(const Fd& network_namespace, const NetworkLink& link) {
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
    CC_TRY(Context(what, netns::Redirect(socket, inside.index, outside.index)));
    return Context(what, netns::Redirect(socket, outside.index, inside.index));
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
    Result<void> left;
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

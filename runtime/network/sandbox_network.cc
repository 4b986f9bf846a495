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

bool LeadsOver(const NetworkRoute& route, const std::string& link) {
    return std::all_of(route.next_hops.begin(), route.next_hops.end(),
                       [&](const NextHop& hop) { return hop.link == link; });
}

std::string NamesOf(const std::vector<NetworkLink>& links) {
    std::vector<std::string> names;
    names.reserve(links.size());
    for (const auto& link : links)
        names.push_back(link.name);
    return Join(names, ", ");
}

// Of the links that have addresses.
Result<void> CheckLinks(const std::vector<NetworkLink>& links) {
    if (links.size() > 1)
        return Fail(Cat("the network namespace has several links with addresses (", NamesOf(links),
                        "); a virtual machine can be given one: connect the container to one "
                        "network only"));
    for (const auto& link : links)
        if (link.mac.empty())
            return Fail(Cat("the link ", link.name,
                            " in the network namespace is no Ethernet link; a virtual machine can "
                            "be given nothing else: connect the container to a bridge network"));
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

Result<NetworkPlan> PlanNetwork(const Fd& network_namespace) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    CC_ASSIGN(Network found, Context("reading the network namespace", netns::ReadNetwork(socket)));
    return PlanNetwork(std::move(found));
}

Result<NetworkPlan> PlanNetwork(Network found) {
    for (const auto& link : found.links)
        if (link.name == kTapName)
            return Fail(
                "the network namespace is that of another container's virtual machine; containers "
                "that shall share a network must be made as one pod");
    std::erase_if(found.links, [](const NetworkLink& link) { return link.addresses.empty(); });
    CC_TRY(CheckLinks(found.links));
    NetworkPlan plan;
    if (found.links.empty()) return plan;
    plan.network = std::move(found);
    plan.link = plan.network.links.front().name;
    plan.network.links.front().device = kNicAddress;
    std::erase_if(plan.network.routes,
                  [&](const NetworkRoute& route) { return !LeadsOver(route, plan.link); });
    std::erase_if(plan.network.neighbours,
                  [&](const NetworkNeighbour& neighbour) { return neighbour.link != plan.link; });
    return plan;
}

Result<NetworkRecord> RecordOf(const Fd& network_namespace, const std::string& path,
                               const NetworkPlan& plan) {
    CC_ASSIGN(const uint64_t inode, InodeOf(network_namespace));
    return NetworkRecord{.path = path, .inode = inode, .link = plan.link};
}

Result<void> JoinTap(const Fd& network_namespace, const NetworkPlan& plan) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    NetworkLink tap;
    tap.name = kTapName;
    tap.mtu = plan.network.links.front().mtu;
    tap.up = true;
    CC_TRY(Context("the machine's tap", netns::ApplyLink(socket, tap)));
    CC_ASSIGN(const netns::FoundLink inside, netns::FindLink(socket, tap.name));
    CC_ASSIGN(const netns::FoundLink outside, netns::FindLink(socket, plan.link));
    const std::string what = Cat("joining ", plan.link, " and ", kTapName);
    CC_TRY(Context(what, netns::Redirect(socket, inside.index, outside.index)));
    return Context(what, netns::Redirect(socket, outside.index, inside.index));
}

Fd FindNetwork(const NetworkRecord& record, const ProcessId& shim) {
    if (record.link.empty()) return {};
    if (record.path.empty() && !IsAlive(shim)) return {};
    auto found =
        record.path.empty() ? NetworkNamespaceOf(shim.pid) : OpenNetworkNamespace(record.path);
    if (!found || InodeOf(*found).value_or(0) != record.inode) return {};
    return std::move(*found);
}

Result<void> LeaveTap(const Fd& network_namespace, const NetworkRecord& record) {
    if (!network_namespace) return {};
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    const auto link = netns::FindLink(socket, record.link);
    // Engines take their links away before us.
    if (!link) return link.error().code == ENODEV ? Result<void>() : Failure(link.error());
    return Context(Cat("releasing ", record.link), netns::StopRedirecting(socket, link->index));
}

}  // namespace cc::runtime

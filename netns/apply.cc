// SPDX-License-Identifier: Apache-2.0
#include "netns/apply.h"

#include <algorithm>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/nexthop.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netns/objects.h"

namespace cc::netns {

namespace {

Result<void> Change(const Socket& socket, int index, rtnl_link* changes, std::string_view what) {
    const LinkPtr link(rtnl_link_alloc());
    rtnl_link_set_ifindex(link.get(), index);
    return Check(rtnl_link_change(socket.get(), link.get(), changes, 0), what);
}

// As it is now.
Result<LinkPtr> FindDevice(const Socket& socket, const NetworkLink& wanted) {
    const std::string& mac = wanted.device.empty() ? wanted.mac : wanted.device;
    if (!mac.empty()) {
        CC_ASSIGN(LinkPtr by_mac, LinkByMac(socket, mac));
        if (by_mac) return by_mac;
    }
    if (!wanted.device.empty())
        return Fail(Cat("there is no network device with the address ", Quoted(mac, 32)), ENODEV);
    rtnl_link* link = nullptr;
    CC_TRY(Check(rtnl_link_get_kernel(socket.get(), 0, wanted.name.c_str(), &link),
                 Cat("looking for the link ", Quoted(wanted.name, 32))));
    return LinkPtr(link);
}

Result<void> SetIdentity(const Socket& socket, rtnl_link* now, const NetworkLink& wanted) {
    const LinkPtr changes(rtnl_link_alloc());
    const bool rename = wanted.name != rtnl_link_get_name(now);
    const bool address = !wanted.mac.empty() && MacOf(now) != wanted.mac;
    const bool mtu = wanted.mtu > 0 && wanted.mtu != rtnl_link_get_mtu(now);
    if (!rename && !address && !mtu) return {};
    if (rename) rtnl_link_set_name(changes.get(), wanted.name.c_str());
    if (address) {
        CC_ASSIGN(const AddrPtr mac, ParseAddress(wanted.mac, AF_LLC));
        rtnl_link_set_addr(changes.get(), mac.get());
    }
    if (mtu) rtnl_link_set_mtu(changes.get(), static_cast<unsigned>(wanted.mtu));
    const int index = rtnl_link_get_ifindex(now);
    const std::string what = Cat("making the link ", rtnl_link_get_name(now), " ", wanted.name,
                                 " with MAC ", wanted.mac, " and MTU ", wanted.mtu);
    auto changed = Change(socket, index, changes.get(), what);
    if (changed || changed.error().code != EBUSY) return changed;
    // Not while it is up: true of all names, and of most drivers' addresses.
    CC_TRY(SetUp(socket, index, false));
    CC_TRY(Change(socket, index, changes.get(), what));
    return wanted.up ? SetUp(socket, index, true) : Result<void>();
}

Result<void> AddAddress(const Socket& socket, int index, const LinkAddress& wanted) {
    CC_ASSIGN(const LinkAddressPtr address, AddressOf(index, wanted));
    auto added = Check(rtnl_addr_add(socket.get(), address.get(), NLM_F_CREATE),
                       Cat("adding the address ", wanted.address));
    if (!added && added.error().code == EEXIST) return {};
    return added;
}

Result<void> AddNeighbour(Indices& indices, const NetworkNeighbour& wanted) {
    CC_ASSIGN(const NeighbourPtr neighbour, NeighbourOf(indices, wanted));
    return Check(
        rtnl_neigh_add(indices.socket().get(), neighbour.get(), NLM_F_CREATE | NLM_F_REPLACE),
        Cat("adding the neighbour ", wanted.address));
}

bool HasGateway(const NetworkRoute& route) {
    return std::any_of(route.next_hops.begin(), route.next_hops.end(),
                       [](const NextHop& hop) { return !hop.gateway.empty(); });
}

}  // namespace

Result<void> SetUp(const Socket& socket, int index, bool up) {
    const LinkPtr changes(rtnl_link_alloc());
    if (up)
        rtnl_link_set_flags(changes.get(), IFF_UP);
    else
        rtnl_link_unset_flags(changes.get(), IFF_UP);
    return Change(socket, index, changes.get(), up ? "raising a link" : "taking a link down");
}

Result<void> ForbidOwnAddresses(const Socket& socket, int index) {
    const LinkPtr changes(rtnl_link_alloc());
    CC_TRY(Check(rtnl_link_inet6_set_addr_gen_mode(changes.get(), IN6_ADDR_GEN_MODE_NONE),
                 "asking for no automatic address"));
    auto changed = Change(socket, index, changes.get(), "forbidding automatic addresses");
    if (!changed && changed.error().code == EAFNOSUPPORT) return {};
    return changed;
}

namespace {

// Its index.
Result<int> MakeLink(const Socket& socket, const NetworkLink& wanted) {
    CC_ASSIGN(const LinkPtr now, FindDevice(socket, wanted));
    const int index = rtnl_link_get_ifindex(now.get());
    const bool up = (rtnl_link_get_flags(now.get()) & IFF_UP) != 0;
    if (!up) CC_TRY(ForbidOwnAddresses(socket, index));
    CC_TRY(SetIdentity(socket, now.get(), wanted));
    if (wanted.up && !up) CC_TRY(SetUp(socket, index, true));
    for (const auto& address : wanted.addresses)
        CC_TRY(AddAddress(socket, index, address));
    return index;
}

}  // namespace

Result<void> ApplyLink(const Socket& socket, const NetworkLink& wanted) {
    CC_TRY(MakeLink(socket, wanted));
    return {};
}

Result<void> ClearLink(const Socket& socket, const std::string& name) {
    auto link = FindLink(socket, name);
    if (!link) return link.error().code == ENODEV ? Result<void>() : Failure(link.error());
    CC_TRY(SetUp(socket, link->index, false));
    return ClearAddresses(socket, name);
}

namespace {

// Those of IPv6 do not go with addresses, nor those that lead over one link of several.
Result<void> ClearRoutes(const Socket& socket, const FoundLink& from) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_route_alloc_cache(socket.get(), AF_UNSPEC, 0, &cache), "reading routes"));
    const CachePtr routes(cache);
    for (auto* object = nl_cache_get_first(cache); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* route = reinterpret_cast<rtnl_route*>(object);
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, 0);
        if (hop == nullptr || rtnl_route_get_table(route) != RT_TABLE_MAIN ||
            rtnl_route_nh_get_ifindex(hop) != from.index)
            continue;
        CC_TRY(Check(rtnl_route_delete(socket.get(), route, 0),
                     Cat("removing a route over ", from.name)));
    }
    return {};
}

}  // namespace

Result<void> ClearAddresses(const Socket& socket, const std::string& name) {
    CC_ASSIGN(const FoundLink link, FindLink(socket, name));
    CC_TRY(ClearRoutes(socket, link));
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_addr_alloc_cache(socket.get(), &cache), "reading addresses"));
    const CachePtr addresses(cache);
    for (auto* object = nl_cache_get_first(cache); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* address = reinterpret_cast<rtnl_addr*>(object);
        if (rtnl_addr_get_ifindex(address) != link.index) continue;
        auto removed =
            Check(rtnl_addr_delete(socket.get(), address, 0), Cat("removing an address of ", name));
        // IPv6 addresses go when a link goes down.
        if (!removed && removed.error().code != EADDRNOTAVAIL) return removed;
    }
    return {};
}

namespace {

Result<void> AddRoute(Indices& indices, const NetworkRoute& wanted) {
    CC_ASSIGN(const RoutePtr route, RouteOf(indices, wanted));
    return Check(rtnl_route_add(indices.socket().get(), route.get(), NLM_F_CREATE | NLM_F_REPLACE),
                 Cat("adding the route to ", wanted.destination));
}

// A gateway that a namespace has is not questioned: its route to the link may have gone since.
Result<void> InsistOnRoute(Indices& indices, const NetworkRoute& wanted) {
    auto added = AddRoute(indices, wanted);
    if (added || !HasGateway(wanted)) return added;
    NetworkRoute insisting = wanted;
    for (auto& hop : insisting.next_hops)
        hop.flags |= RTNH_F_ONLINK;
    return AddRoute(indices, insisting) ? Result<void>() : std::move(added);
}

}  // namespace

Result<void> ApplyRoute(const Socket& socket, const NetworkRoute& route) {
    Indices indices(socket);
    return InsistOnRoute(indices, route);
}

Result<void> ApplyNetwork(const Socket& socket, const Network& network) {
    Indices indices(socket);
    for (const auto& link : network.links) {
        CC_ASSIGN(const int index, Context(Cat("link ", link.name), MakeLink(socket, link)));
        indices.Know(link.name, index);
    }
    // Gateways are reached over routes to their links.
    for (const bool gateways : {false, true})
        for (const auto& route : network.routes)
            if (HasGateway(route) == gateways) CC_TRY(InsistOnRoute(indices, route));
    for (const auto& neighbour : network.neighbours)
        CC_TRY(AddNeighbour(indices, neighbour));
    return {};
}

}  // namespace cc::netns

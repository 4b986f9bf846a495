// SPDX-License-Identifier: Apache-2.0
#include "netns/objects.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/route/nexthop.h>
#include <sys/socket.h>

#include "base/text.h"

namespace cc::netns {

namespace {

Result<void> AddNextHop(Indices& indices, rtnl_route* route, const NextHop& wanted) {
    rtnl_nexthop* hop = rtnl_route_nh_alloc();
    rtnl_route_add_nexthop(route, hop);  // its owner from here on
    if (!wanted.link.empty()) {
        CC_ASSIGN(const int index, indices.Of(wanted.link));
        rtnl_route_nh_set_ifindex(hop, index);
    }
    CC_ASSIGN(const AddrPtr gateway, ParseAddress(wanted.gateway));
    if (gateway) rtnl_route_nh_set_gateway(hop, gateway.get());
    if (wanted.flags != 0) rtnl_route_nh_set_flags(hop, static_cast<unsigned>(wanted.flags));
    rtnl_route_nh_set_weight(hop, static_cast<uint8_t>(wanted.weight));
    return {};
}

}  // namespace

Result<int> Indices::Of(const std::string& name) {
    if (const auto found = known_.find(name); found != known_.end()) return found->second;
    CC_ASSIGN(const FoundLink link, FindLink(socket_, name));
    known_[name] = link.index;
    return link.index;
}

Result<LinkAddressPtr> AddressOf(int index, const LinkAddress& value) {
    LinkAddressPtr address(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(address.get(), index);
    CC_ASSIGN(const AddrPtr local, ParseAddress(value.address));
    CC_ASSIGN(const AddrPtr peer, ParseAddress(value.peer));
    CC_ASSIGN(const AddrPtr broadcast, ParseAddress(value.broadcast));
    if (!local) return Fail("an address is empty");
    rtnl_addr_set_local(address.get(), local.get());
    if (peer) rtnl_addr_set_peer(address.get(), peer.get());
    if (broadcast) rtnl_addr_set_broadcast(address.get(), broadcast.get());
    rtnl_addr_set_scope(address.get(), static_cast<int>(value.scope));
    // Routes are told one by one, those of addresses as well.
    rtnl_addr_set_flags(address.get(),
                        IFA_F_NODAD | (value.prefix_route ? 0U : IFA_F_NOPREFIXROUTE));
    return address;
}

Result<RoutePtr> RouteOf(Indices& indices, const NetworkRoute& value) {
    RoutePtr route(rtnl_route_alloc());
    CC_ASSIGN(const AddrPtr destination, ParseAddress(value.destination));
    CC_ASSIGN(const AddrPtr source, ParseAddress(value.source));
    if (!destination) return Fail("a route has no destination");
    rtnl_route_set_family(route.get(), static_cast<uint8_t>(nl_addr_get_family(destination.get())));
    rtnl_route_set_dst(route.get(), destination.get());
    if (source) rtnl_route_set_pref_src(route.get(), source.get());
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    rtnl_route_set_type(route.get(), static_cast<uint8_t>(value.type));
    rtnl_route_set_scope(route.get(), static_cast<uint8_t>(value.scope));
    rtnl_route_set_protocol(route.get(), static_cast<uint8_t>(value.protocol));
    rtnl_route_set_priority(route.get(), static_cast<uint32_t>(value.priority));
    for (const auto& [number, amount] : value.metrics)
        CC_TRY(Check(rtnl_route_set_metric(route.get(), static_cast<int>(number),
                                           static_cast<unsigned>(amount)),
                     Cat("metric ", number, " of the route to ", value.destination)));
    for (const auto& hop : value.next_hops)
        CC_TRY(AddNextHop(indices, route.get(), hop));
    return route;
}

Result<NeighbourPtr> NeighbourOf(Indices& indices, const NetworkNeighbour& value) {
    NeighbourPtr neighbour(rtnl_neigh_alloc());
    CC_ASSIGN(const int index, indices.Of(value.link));
    CC_ASSIGN(const AddrPtr address, ParseAddress(value.address));
    CC_ASSIGN(const AddrPtr mac, ParseAddress(value.mac, AF_LLC));
    rtnl_neigh_set_ifindex(neighbour.get(), index);
    rtnl_neigh_set_dst(neighbour.get(), address.get());
    rtnl_neigh_set_lladdr(neighbour.get(), mac.get());
    rtnl_neigh_set_state(neighbour.get(), NUD_PERMANENT);
    return neighbour;
}

}  // namespace cc::netns

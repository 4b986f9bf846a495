// SPDX-License-Identifier: Apache-2.0
#include "netns/scan.h"

#include <algorithm>
#include <map>
#include <optional>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/nexthop.h>
#include <sys/socket.h>

namespace cc::netns {

namespace {

using Names = std::map<int, std::string>;  // of the links that are looked at, by index

template <class T, class Function>
void ForEach(const CachePtr& cache, Function&& function) {
    for (auto* object = nl_cache_get_first(cache.get()); object != nullptr;
         object = nl_cache_get_next(object))
        function(reinterpret_cast<T*>(object));
}

// What an engine gives a container has been given by somebody; what routers told does expire and
// will be told again.
bool IsTaken(rtnl_addr* address) {
    // IPv4 has another meaning for the flag of temporary addresses: not the first in its network.
    const unsigned passed_over =
        rtnl_addr_get_family(address) == AF_INET6 ? IFA_F_TEMPORARY | IFA_F_DADFAILED : 0;
    return (rtnl_addr_get_flags(address) & passed_over) == 0;
}

LinkAddress ValueOf(rtnl_addr* address) {
    LinkAddress value;
    const std::string local = TextOf(rtnl_addr_get_local(address));
    const std::string peer = TextOf(rtnl_addr_get_peer(address));
    value.address = local;
    if (peer != local) value.peer = peer;
    value.broadcast = TextOf(rtnl_addr_get_broadcast(address), false);
    value.scope = rtnl_addr_get_scope(address);
    return value;
}

NetworkLink ValueOf(rtnl_link* link) {
    NetworkLink value;
    value.index = rtnl_link_get_ifindex(link);
    value.name = rtnl_link_get_name(link);
    value.mac = MacOf(link);
    value.mtu = rtnl_link_get_mtu(link);
    value.up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
    return value;
}

// Those of the local table come with the addresses.
bool IsTaken(rtnl_route* route) {
    const int type = rtnl_route_get_type(route);
    const bool known = type == RTN_UNICAST || type == RTN_BLACKHOLE || type == RTN_UNREACHABLE ||
                       type == RTN_PROHIBIT || type == RTN_THROW;
    return known && rtnl_route_get_table(route) == RT_TABLE_MAIN &&
           (rtnl_route_get_flags(route) & RTM_F_CLONED) == 0 &&
           rtnl_route_get_protocol(route) != RTPROT_RA;
}

// None: it leads over a link that is not looked at.
std::optional<std::vector<NextHop>> NextHopsOf(rtnl_route* route, const Names& names) {
    std::vector<NextHop> hops;
    const int count = rtnl_route_get_nnexthops(route);
    for (int i = 0; i < count; ++i) {
        rtnl_nexthop* hop = rtnl_route_nexthop_n(route, i);
        const auto name = names.find(rtnl_route_nh_get_ifindex(hop));
        // IPv6 hangs routes that lead nowhere on loopback.
        if (name == names.end() && rtnl_route_get_type(route) != RTN_UNICAST) continue;
        if (name == names.end()) return std::nullopt;
        constexpr unsigned given = RTNH_F_ONLINK | RTNH_F_PERVASIVE;
        hops.push_back({name->second, TextOf(rtnl_route_nh_get_gateway(hop), false),
                        rtnl_route_nh_get_flags(hop) & given,
                        count > 1 ? rtnl_route_nh_get_weight(hop) : 0});
    }
    return hops;
}

NetworkRoute ValueOf(rtnl_route* route) {
    NetworkRoute value;
    value.destination = TextOf(rtnl_route_get_dst(route));
    value.source = TextOf(rtnl_route_get_pref_src(route), false);
    value.type = rtnl_route_get_type(route);
    value.scope = rtnl_route_get_scope(route);
    value.protocol = rtnl_route_get_protocol(route);
    value.priority = rtnl_route_get_priority(route);
    for (int number = 1; number <= RTAX_MAX; ++number) {
        uint32_t metric = 0;
        // The name of a congestion control algorithm: a number that only this kernel knows.
        if (number != RTAX_CC_ALGO && rtnl_route_get_metric(route, number, &metric) == 0)
            value.metrics.emplace_back(number, metric);
    }
    return value;
}

Result<Names> ScanLinks(const Socket& socket, Network& network) {
    Names names;
    CC_ASSIGN(const CachePtr links, ReadLinks(socket));
    ForEach<rtnl_link>(links, [&](rtnl_link* link) {
        if ((rtnl_link_get_flags(link) & IFF_LOOPBACK) != 0) return;
        names[rtnl_link_get_ifindex(link)] = rtnl_link_get_name(link);
        network.links.push_back(ValueOf(link));
    });
    return names;
}

Result<void> ScanAddresses(const Socket& socket, const Names& names, Network& network) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_addr_alloc_cache(socket.get(), &cache), "reading addresses"));
    const CachePtr addresses(cache);
    ForEach<rtnl_addr>(addresses, [&](rtnl_addr* address) {
        const auto name = names.find(rtnl_addr_get_ifindex(address));
        if (name == names.end() || !IsTaken(address)) return;
        const auto link = std::find_if(network.links.begin(), network.links.end(),
                                       [&](const auto& one) { return one.name == name->second; });
        if (link != network.links.end()) link->addresses.push_back(ValueOf(address));
    });
    return {};
}

Result<void> ScanRoutes(const Socket& socket, const Names& names, Network& network) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_route_alloc_cache(socket.get(), AF_UNSPEC, 0, &cache), "reading routes"));
    const CachePtr routes(cache);
    ForEach<rtnl_route>(routes, [&](rtnl_route* route) {
        if (!IsTaken(route)) return;
        auto hops = NextHopsOf(route, names);
        if (!hops) return;
        network.routes.push_back(ValueOf(route));
        network.routes.back().next_hops = std::move(*hops);
    });
    return {};
}

Result<void> ScanNeighbours(const Socket& socket, const Names& names, Network& network) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_neigh_alloc_cache(socket.get(), &cache), "reading neighbours"));
    const CachePtr neighbours(cache);
    ForEach<rtnl_neigh>(neighbours, [&](rtnl_neigh* neighbour) {
        const auto name = names.find(rtnl_neigh_get_ifindex(neighbour));
        if (name == names.end() || rtnl_neigh_get_state(neighbour) != NUD_PERMANENT) return;
        network.neighbours.push_back({name->second, TextOf(rtnl_neigh_get_dst(neighbour), false),
                                      TextOf(rtnl_neigh_get_lladdr(neighbour))});
    });
    return {};
}

}  // namespace

Result<Network> ReadNetwork(const Socket& socket) {
    Network network;
    CC_ASSIGN(const Names names, ScanLinks(socket, network));
    CC_TRY(ScanAddresses(socket, names, network));
    CC_TRY(ScanRoutes(socket, names, network));
    CC_TRY(ScanNeighbours(socket, names, network));
    return network;
}

}  // namespace cc::netns

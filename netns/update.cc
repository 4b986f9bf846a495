// SPDX-License-Identifier: Apache-2.0
#include "netns/update.h"

#include <algorithm>

#include "base/text.h"
#include "netns/apply.h"
#include "netns/objects.h"

namespace cc::netns {

namespace {

template <class T>
bool Has(const std::vector<T>& all, const T& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

// What went with something else is no error: an address takes routes along, a link all of its own.
Result<void> Removed(int code, std::string_view what) {
    auto removed = Check(code, what);
    if (removed) return removed;
    const int why = removed.error().code;
    return why == ENOENT || why == EADDRNOTAVAIL || why == ENODEV ? Result<void>()
                                                                  : std::move(removed);
}

Result<void> RemoveRoute(Indices& indices, const NetworkRoute& value) {
    auto route = RouteOf(indices, value);
    if (!route) return route.error().code == ENODEV ? Result<void>() : Failure(route.error());
    return Removed(rtnl_route_delete(indices.socket().get(), route->get(), 0),
                   Cat("removing the route to ", value.destination));
}

Result<void> RemoveNeighbour(Indices& indices, const NetworkNeighbour& value) {
    auto neighbour = NeighbourOf(indices, value);
    if (!neighbour)
        return neighbour.error().code == ENODEV ? Result<void>() : Failure(neighbour.error());
    return Removed(rtnl_neigh_delete(indices.socket().get(), neighbour->get(), 0),
                   Cat("removing the neighbour ", value.address));
}

Result<void> RemoveAddress(const Socket& socket, int index, const LinkAddress& value) {
    CC_ASSIGN(const LinkAddressPtr address, AddressOf(index, value));
    return Removed(rtnl_addr_delete(socket.get(), address.get(), 0),
                   Cat("removing the address ", value.address));
}

// `wanted` is the same device, under whatever name.
Result<void> RemoveAddresses(Indices& indices, const NetworkLink& was, const NetworkLink& wanted) {
    for (const auto& address : was.addresses) {
        if (Has(wanted.addresses, address)) continue;
        const auto index = indices.Of(was.name);
        if (!index) return index.error().code == ENODEV ? Result<void>() : Failure(index.error());
        CC_TRY(RemoveAddress(indices.socket(), *index, address));
    }
    return {};
}

Result<void> Rename(const Socket& socket, int index, const std::string& name) {
    CC_TRY(SetUp(socket, index, false));
    const LinkPtr link(rtnl_link_alloc()), changes(rtnl_link_alloc());
    rtnl_link_set_ifindex(link.get(), index);
    rtnl_link_set_name(changes.get(), name.c_str());
    return Check(rtnl_link_change(socket.get(), link.get(), changes.get(), 0),
                 Cat("renaming the link ", index, " to ", name));
}

// Links may take names from one another: so first nobody has a name that is to change.
Result<void> FreeNames(const Socket& socket, const Network& wanted) {
    for (const auto& link : wanted.links) {
        CC_ASSIGN(const LinkPtr now, LinkByMac(socket, link.device));
        if (now && rtnl_link_get_name(now.get()) != link.name)
            CC_TRY(Rename(socket, rtnl_link_get_ifindex(now.get()), NeutralName(link.device)));
    }
    return {};
}

// A link that never was up has not been told to be.
Result<void> TakeDown(const Socket& socket, const Network& was, const Network& wanted) {
    for (const auto& link : wanted.links)
        for (const auto& same : was.links) {
            if (same.device != link.device || !same.up || link.up) continue;
            CC_ASSIGN(const FoundLink now, FindLink(socket, link.name));
            CC_TRY(SetUp(socket, now.index, false));
        }
    return {};
}

}  // namespace

Result<void> UpdateNetwork(const Socket& socket, const Network& was, const Network& wanted) {
    Indices indices(socket);
    for (const auto& route : was.routes)
        if (!Has(wanted.routes, route)) CC_TRY(RemoveRoute(indices, route));
    for (const auto& neighbour : was.neighbours)
        if (!Has(wanted.neighbours, neighbour)) CC_TRY(RemoveNeighbour(indices, neighbour));
    for (const auto& link : was.links)
        for (const auto& same : wanted.links)
            if (same.device == link.device) CC_TRY(RemoveAddresses(indices, link, same));
    CC_TRY(FreeNames(socket, wanted));
    CC_TRY(ApplyNetwork(socket, wanted));
    return TakeDown(socket, was, wanted);
}

std::string NeutralName(const std::string& mac) {
    std::string name = mac;
    std::erase(name, ':');
    return name;
}

}  // namespace cc::netns

// SPDX-License-Identifier: Apache-2.0
// A connection to the kernel's routing tables, by libnl, and owners of libnl's objects.
//
// Such a socket belongs to the network namespace in which it was made, wherever its user is: who
// has one for another namespace need not be in that.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

#include "base/fd.h"

namespace cc::netns {

template <auto free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        free(object);
    }
};
template <class T, auto free>
using Owned = std::unique_ptr<T, Deleter<free>>;

using CachePtr = Owned<nl_cache, nl_cache_free>;
using AddrPtr = Owned<nl_addr, nl_addr_put>;
using LinkPtr = Owned<rtnl_link, rtnl_link_put>;
using LinkAddressPtr = Owned<rtnl_addr, rtnl_addr_put>;
using RoutePtr = Owned<rtnl_route, rtnl_route_put>;
using NeighbourPtr = Owned<rtnl_neigh, rtnl_neigh_put>;

class Socket {
  public:
    // Of the caller's network namespace.
    static Result<Socket> Open();
    // Of another; the caller stays where it is.
    static Result<Socket> OpenIn(const Fd& network_namespace);

    nl_sock* get() const { return socket_.get(); }

  private:
    explicit Socket(nl_sock* socket) : socket_(socket) {}
    Owned<nl_sock, nl_socket_free> socket_;
};

// `code`: what a function of libnl returned; negative is a failure.
Result<void> Check(int code, std::string_view what);

// All of one kind, as the kernel tells them.
Result<CachePtr> ReadLinks(const Socket& socket);

struct FoundLink {
    int index = 0;
    std::string name;
};
Result<FoundLink> FindLink(const Socket& socket, const std::string& name);
// Null: no link has it.
Result<LinkPtr> LinkByMac(const Socket& socket, std::string_view mac);
// 0: no link has it.
Result<int> FindLinkByMac(const Socket& socket, std::string_view mac);

// "10.0.0.2/16"; "0.0.0.0/0" for a default route. Empty for no address.
std::string TextOf(const nl_addr* address, bool with_prefix = true);
std::string MacOf(rtnl_link* link);  // empty: none, or not an Ethernet's
// Empty texts: no address.
Result<AddrPtr> ParseAddress(const std::string& text, int family = 0);

}  // namespace cc::netns

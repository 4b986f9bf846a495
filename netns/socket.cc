// SPDX-License-Identifier: Apache-2.0
#include "netns/socket.h"

#include <array>

#include <net/if_arp.h>
#include <netlink/errno.h>
#include <netlink/object.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netns/in_namespace.h"

namespace cc::netns {

namespace {

// What libnl made of the kernel's errno; those that callers ask for.
int ErrnoOf(int code) {
    switch (-code) {
        case NLE_EXIST:
            return EEXIST;
        case NLE_OBJ_NOTFOUND:
            return ENOENT;
        case NLE_NODEV:
            return ENODEV;
        case NLE_NOADDR:
            return EADDRNOTAVAIL;
        case NLE_AF_NOSUPPORT:
            return EAFNOSUPPORT;
        case NLE_PERM:
            return EPERM;
        case NLE_BUSY:
            return EBUSY;
        case NLE_OPNOTSUPP:
            return EOPNOTSUPP;
        default:
            return EINVAL;
    }
}

}  // namespace

Result<void> Check(int code, std::string_view what) {
    if (code >= 0) return {};
    return Fail(Cat(what, ": ", nl_geterror(code)), ErrnoOf(code));
}

Result<Socket> Socket::Open() {
    Socket socket(nl_socket_alloc());
    if (socket.get() == nullptr) return Fail("making a netlink socket: out of memory", ENOMEM);
    CC_TRY(Check(nl_connect(socket.get(), NETLINK_ROUTE), "making a netlink socket"));
    return socket;
}

Result<Socket> Socket::OpenIn(const Fd& network_namespace) {
    return InNamespace(network_namespace, Open);
}

Result<CachePtr> ReadLinks(const Socket& socket) {
    nl_cache* cache = nullptr;
    CC_TRY(Check(rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &cache), "reading links"));
    return CachePtr(cache);
}

Result<FoundLink> FindLink(const Socket& socket, const std::string& name) {
    rtnl_link* found = nullptr;
    CC_TRY(Check(rtnl_link_get_kernel(socket.get(), 0, name.c_str(), &found),
                 Cat("looking for the link ", Quoted(name, 32))));
    const LinkPtr link(found);
    return FoundLink{rtnl_link_get_ifindex(found), name};
}

Result<LinkPtr> LinkByMac(const Socket& socket, std::string_view mac) {
    CC_ASSIGN(const CachePtr links, ReadLinks(socket));
    for (auto* object = nl_cache_get_first(links.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        if (MacOf(link) != mac) continue;
        nl_object_get(object);
        return LinkPtr(link);
    }
    return LinkPtr();
}

Result<int> FindLinkByMac(const Socket& socket, std::string_view mac) {
    CC_ASSIGN(const LinkPtr link, LinkByMac(socket, mac));
    return link ? rtnl_link_get_ifindex(link.get()) : 0;
}

std::string TextOf(const nl_addr* address, bool with_prefix) {
    if (address == nullptr) return {};
    const int family = nl_addr_get_family(address);
    const bool inet = family == AF_INET || family == AF_INET6;
    const unsigned prefix = nl_addr_get_prefixlen(address);
    std::array<char, 128> text{};
    if (nl_addr_get_len(address) == 0)
        return family == AF_INET ? "0.0.0.0/0" : family == AF_INET6 ? "::/0" : "";
    nl_addr2str(address, text.data(), text.size());
    const std::string_view all(text.data());
    const std::string_view host = all.substr(0, all.find('/'));
    // libnl leaves out the prefix of a single host.
    return inet && with_prefix ? Cat(host, "/", prefix) : std::string(host);
}

std::string MacOf(rtnl_link* link) {
    if (rtnl_link_get_arptype(link) != ARPHRD_ETHER) return {};
    return TextOf(rtnl_link_get_addr(link));
}

Result<AddrPtr> ParseAddress(const std::string& text, int family) {
    nl_addr* address = nullptr;
    if (text.empty()) return AddrPtr();
    CC_TRY(Check(nl_addr_parse(text.c_str(), family, &address),
                 Cat("reading the address ", Quoted(text, 64))));
    return AddrPtr(address);
}

}  // namespace cc::netns

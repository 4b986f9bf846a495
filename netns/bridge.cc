// SPDX-License-Identifier: Apache-2.0
#include "netns/bridge.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/random.h"
#include "base/text.h"
#include "netns/apply.h"
#include "netns/message.h"
#include "netns/redirect.h"

namespace cc::netns {

namespace {

// An address of its own: it would take that of a port.
Result<std::string> NewMac() {
    CC_ASSIGN(std::string mac, RandomBytes(6));
    mac[0] = '\x02';
    return mac;
}

// libnl 3.7 knows neither bridges' options nor their table.
Result<void> AddBridge(const Socket& socket, const std::string& name, const std::string& mac) {
    CC_ASSIGN(MessagePtr message, NewMessage(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL));
    ifinfomsg info{};
    info.ifi_flags = info.ifi_change = IFF_NOARP;
    nl_msg* to = message.get();
    int failed = nlmsg_append(to, &info, sizeof info, NLMSG_ALIGNTO);
    failed |= nla_put_string(to, IFLA_IFNAME, name.c_str());
    failed |= nla_put(to, IFLA_ADDRESS, static_cast<int>(mac.size()), mac.data());
    nlattr* kind = nla_nest_start(to, IFLA_LINKINFO);
    failed |= nla_put_string(to, IFLA_INFO_KIND, "bridge");
    nlattr* options = nla_nest_start(to, IFLA_INFO_DATA);
    failed |= nla_put_u32(to, IFLA_BR_AGEING_TIME, 0);  // forgets at once: floods
    failed |= nla_put_u8(to, IFLA_BR_MCAST_SNOOPING, 0);
    if (failed != 0 || kind == nullptr || options == nullptr)
        return Fail("making a netlink message for a bridge: out of memory", ENOMEM);
    nla_nest_end(to, options);
    nla_nest_end(to, kind);
    return SendMessage(socket, std::move(message), Cat("making the bridge ", name));
}

// Frames to the address of a port are the namespace's, for which there is an entry.
Result<void> ForgetAddress(const Socket& socket, int index, const nl_addr* mac, uint8_t whose) {
    CC_ASSIGN(MessagePtr message, NewMessage(RTM_DELNEIGH, 0));
    ndmsg entry{};
    entry.ndm_family = AF_BRIDGE;
    entry.ndm_ifindex = index;
    entry.ndm_flags = whose;
    entry.ndm_state = NUD_PERMANENT;
    int failed = nlmsg_append(message.get(), &entry, sizeof entry, NLMSG_ALIGNTO);
    failed |= nla_put_addr(message.get(), NDA_LLADDR, const_cast<nl_addr*>(mac));
    if (failed != 0) return Fail("making a netlink message: out of memory", ENOMEM);
    auto gone = SendMessage(socket, std::move(message), "removing a bridge's entry");
    if (!gone && gone.error().code == ENOENT) return {};
    return gone;
}

Result<LinkPtr> LinkAt(const Socket& socket, int index) {
    rtnl_link* found = nullptr;
    CC_TRY(Check(rtnl_link_get_kernel(socket.get(), index, nullptr, &found), "looking at a link"));
    return LinkPtr(found);
}

Result<void> AddPort(const Socket& socket, const FoundLink& bridge, int port) {
    CC_ASSIGN(const LinkPtr link, LinkAt(socket, port));
    const std::string what =
        Cat("making ", rtnl_link_get_name(link.get()), " a port of ", bridge.name);
    // The kernel would take it away from there.
    if (rtnl_link_get_master(link.get()) != 0)
        return Fail(Cat(what, ": it is the port of something else"), EBUSY);
    CC_TRY(Check(rtnl_link_enslave_ifindex(socket.get(), bridge.index, port), what));
    return Context(what, ForgetAddress(socket, port, rtnl_link_get_addr(link.get()), NTF_MASTER));
}

Result<void> FillBridge(const Socket& socket, const std::string& name,
                        const std::vector<int>& ports) {
    CC_ASSIGN(const FoundLink bridge, FindLink(socket, name));
    CC_TRY(ForbidOwnAddresses(socket, bridge.index));
    for (const int port : ports)
        CC_TRY(AddPort(socket, bridge, port));
    CC_ASSIGN(const LinkPtr link, LinkAt(socket, bridge.index));
    CC_TRY(ForgetAddress(socket, bridge.index, rtnl_link_get_addr(link.get()), NTF_SELF));
    return SetUp(socket, bridge.index, true);
}

}  // namespace

Result<void> Bridge(const Socket& socket, const std::string& name, const std::vector<int>& ports) {
    CC_TRY(DeleteLink(socket, name));
    CC_ASSIGN(const std::string mac, NewMac());
    CC_TRY(AddBridge(socket, name, mac));
    auto filled = FillBridge(socket, name, ports);
    if (!filled) (void)DeleteLink(socket, name);
    return filled;
}

}  // namespace cc::netns

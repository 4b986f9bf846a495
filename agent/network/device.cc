// SPDX-License-Identifier: Apache-2.0
#include "agent/network/device.h"

#include <linux/rtnetlink.h>
#include <sched.h>

#include "agent/boot.h"
#include "netns/apply.h"

namespace cc::agent {

namespace {

// Of networks for documentation (RFC 5737, RFC 3849): nobody is reached by them.
Network Example(const std::string& name) {
    Network network;
    network.links.push_back(
        {.name = name,
         .mac = "02:cc:00:00:00:01",
         .mtu = 1400,
         .up = true,
         .device = std::string(kNicAddress),
         .addresses = {{"192.0.2.2/24", "", "192.0.2.255"}, {"2001:db8::2/64"}}});
    const auto route = [&](const char* to, const char* gateway, int64_t scope) {
        NetworkRoute one;
        one.destination = to;
        one.scope = scope;
        one.next_hops.push_back({name, gateway, 0, 0});
        network.routes.push_back(one);
    };
    route("192.0.2.0/24", "", RT_SCOPE_LINK);
    route("0.0.0.0/0", "192.0.2.1", 0);
    route("2001:db8::/64", "", 0);
    return network;
}

}  // namespace

Result<void> HideDevice() {
    {
        CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
        CC_ASSIGN(const int index, netns::FindLinkByMac(socket, kNicAddress));
        if (index == 0) return {};
    }
    if (::unshare(CLONE_NEWNET) < 0) return FailErrno("hiding the machine's network device");
    return RaiseLoopback();
}

Result<void> RehearseNetwork() {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const int index, netns::FindLinkByMac(socket, kNicAddress));
    if (index == 0) return {};
    rtnl_link* found = nullptr;
    CC_TRY(netns::Check(rtnl_link_get_kernel(socket.get(), index, nullptr, &found),
                        "looking at the machine's network device"));
    const netns::LinkPtr link(found);
    const Network example = Example(rtnl_link_get_name(found));
    CC_TRY(netns::ApplyNetwork(socket, example));
    NetworkLink idle = example.links.front();
    idle.device = idle.mac;
    idle.mac = kNicAddress;
    idle.mtu = rtnl_link_get_mtu(found);
    idle.addresses.clear();
    CC_TRY(netns::ClearAddresses(socket, idle.name));
    CC_TRY(netns::ApplyLink(socket, idle));
    return HideDevice();
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/network/device.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "agent/boot.h"
#include "netns/apply.h"

namespace cc::agent {

namespace {

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";
constexpr int64_t kUsualMtu = 1500;  // of Ethernet: what a device has that nobody set

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

// An empty namespace is made once: that takes the kernel as long as a small container's start.
Result<void> NetworkDevice::Hide() {
    if (hidden_) return {};
    if (empty_) {
        if (::setns(empty_.get(), CLONE_NEWNET) < 0)
            return FailErrno("hiding the machine's network device");
    } else {
        {
            CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
            CC_ASSIGN(const int index, netns::FindLinkByMac(socket, kNicAddress));
            if (index == 0) return {};
        }
        CC_ASSIGN(machine_, OpenFile(kOwnNamespace, O_RDONLY));
        if (::unshare(CLONE_NEWNET) < 0) return FailErrno("hiding the machine's network device");
        CC_ASSIGN(empty_, OpenFile(kOwnNamespace, O_RDONLY));
        CC_TRY(RaiseLoopback());
    }
    hidden_ = true;
    return {};
}

Result<void> NetworkDevice::Show() {
    if (!hidden_) return {};
    if (::setns(machine_.get(), CLONE_NEWNET) < 0)
        return FailErrno("going to the machine's network device");
    hidden_ = false;
    return {};
}

Result<std::optional<Network>> ExampleNetwork() {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const int index, netns::FindLinkByMac(socket, kNicAddress));
    if (index == 0) return std::nullopt;
    rtnl_link* found = nullptr;
    CC_TRY(netns::Check(rtnl_link_get_kernel(socket.get(), index, nullptr, &found),
                        "looking at the machine's network device"));
    const netns::LinkPtr link(found);
    return Example(rtnl_link_get_name(found));
}

Result<void> ReturnDevice(const Network& example) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    NetworkLink idle = example.links.front();
    idle.device = idle.mac;
    idle.mac = kNicAddress;
    idle.mtu = kUsualMtu;
    idle.addresses.clear();
    CC_TRY(netns::ClearAddresses(socket, idle.name));
    return netns::ApplyLink(socket, idle);
}

}  // namespace cc::agent

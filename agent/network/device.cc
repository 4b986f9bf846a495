// SPDX-License-Identifier: Apache-2.0
#include "agent/network/device.h"

#include <thread>

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "agent/boot.h"
#include "netns/apply.h"
#include "netns/redirect.h"
#include "netns/update.h"

namespace cc::agent {

namespace {

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";
constexpr int64_t kUsualMtu = 1500;  // of Ethernet: what a device has that nobody set

// The caller stays where it is.
Result<Fd> NewNamespace() {
    std::optional<Result<Fd>> made;
    std::thread([&] {
        made = ::unshare(CLONE_NEWNET) < 0
                   ? Result<Fd>(FailErrno("making a network namespace for idle devices"))
                   : OpenFile(kOwnNamespace, O_RDONLY);
    }).join();
    return std::move(*made);
}

// As a device is that was just plugged in.
Result<void> Forget(const netns::Socket& socket, const std::string& name, const std::string& mac,
                    const std::string& device) {
    NetworkLink idle;
    idle.name = netns::NeutralName(device);
    idle.mac = device;
    idle.mtu = kUsualMtu;
    idle.device = mac;
    CC_TRY(netns::ClearLink(socket, name));
    return netns::ApplyLink(socket, idle);
}

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

Result<netns::Socket> NetworkDevice::OpenMachine() const {
    return hidden_ ? netns::Socket::OpenIn(machine_) : netns::Socket::Open();
}

// Where devices are that the pod does not see.
Result<const Fd*> NetworkDevice::Aside() {
    if (hidden_) return &machine_;
    if (!parked_) {
        CC_ASSIGN(parked_, NewNamespace());
    }
    return &parked_;
}

Result<bool> NetworkDevice::Bring(const std::string& mac) {
    for (const Fd* from : {hidden_ ? &machine_ : nullptr, &parked_}) {
        if (from == nullptr || !*from) continue;
        CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(*from));
        CC_ASSIGN(const int index, netns::FindLinkByMac(socket, mac));
        if (index == 0) continue;
        CC_ASSIGN(const Fd here, OpenFile(kOwnNamespace, O_RDONLY));
        CC_TRY(netns::MoveLink(socket, index, here, netns::NeutralName(mac)));
        return true;
    }
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const int index, netns::FindLinkByMac(socket, mac));
    return index != 0;
}

Result<void> NetworkDevice::Park(const std::string& mac, const std::string& device) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const netns::LinkPtr link, netns::LinkByMac(socket, mac));
    if (!link) return {};
    CC_TRY(Forget(socket, rtnl_link_get_name(link.get()), mac, device));
    CC_ASSIGN(const Fd* aside, Aside());
    return netns::MoveLink(socket, rtnl_link_get_ifindex(link.get()), *aside,
                           netns::NeutralName(device));
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

// SPDX-License-Identifier: Apache-2.0
#include "vmm/nic.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "netns/macvtap.h"
#include "netns/redirect.h"
#include "protocol/network.h"

namespace cc {

namespace {

Result<bool> SameFile(const Fd& one, const Fd& other) {
    struct stat first {
    }, second{};
    if (::fstat(one.get(), &first) < 0 || ::fstat(other.get(), &second) < 0)
        return FailErrno("looking at a network namespace");
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Result<void> LeaveNetwork() {
    if (::unshare(CLONE_NEWNET) < 0) return FailErrno("making a network namespace for the VM");
    return {};
}

Fd OpenVhostNet(const std::string& device) {
    auto vhost = OpenFile(device, O_RDWR | O_CLOEXEC);
    if (vhost) return std::move(*vhost);
    // The module may just not be there; all else is for somebody to look at.
    Log(vhost.error().code == ENOENT ? LogLevel::kDebug : LogLevel::kWarn,
        "no vhost-net: the VMM carries the frames", {{"why", vhost.error().message}});
    return {};
}

namespace {

// For as many queues, or for none.
std::vector<Fd> OpenVhostNets(size_t count) {
    std::vector<Fd> vhosts;
    for (size_t i = 0; i < count; ++i) {
        vhosts.push_back(OpenVhostNet());
        if (!vhosts.back()) return {};
    }
    return vhosts;
}

Result<Fd> OpenTap(const std::string& name, bool one_of_several) {
    auto tap = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (!tap)
        return Fail(Cat("making the machine's network device: ", tap.error().message,
                        "; `modprobe tun`, or do without networks: internetworking_model = "
                        "\"none\" in configuration.toml"),
                    tap.error().code);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (one_of_several) request.ifr_flags |= IFF_MULTI_QUEUE;
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(tap->get(), TUNSETIFF, &request) < 0)
        return FailErrno("making the machine's network device, a tap");
    return std::move(*tap);
}

// Each descriptor is a queue; the first makes the device.
Result<std::vector<Fd>> OpenTaps(const std::string& name, int queues) {
    std::vector<Fd> taps;
    for (int i = 0; i < queues; ++i) {
        auto tap = OpenTap(name, queues > 1);
        if (!tap && queues > 1) {
            Log(LogLevel::kInfo, "a network device has one queue", {{"why", tap.error().message}});
            taps.clear();
            return OpenTaps(name, 1);
        }
        if (!tap) return Failure(tap.error());
        taps.push_back(std::move(*tap));
    }
    return taps;
}

// Whether the tap stays when its last descriptor is closed.
Result<void> SetPersistent(const Fd& tap, bool persistent) {
    if (::ioctl(tap.get(), TUNSETPERSIST, persistent ? 1 : 0) < 0)
        return FailErrno("setting how long the machine's network device lives");
    return {};
}

}  // namespace

Result<Nic> Nic::Make(int number, int queues, bool vhost) {
    const std::string name = TapName(number);
    CC_ASSIGN(std::vector<Fd> taps, OpenTaps(name, queues));
    Nic nic(name, {std::move(taps), {}});
    CC_ASSIGN(nic.persistent_, nic.back_end_.taps.front().Duplicate());
    CC_TRY(SetPersistent(nic.persistent_, true));
    if (vhost) nic.back_end_.vhosts = OpenVhostNets(nic.back_end_.taps.size());
    return nic;
}

Result<Nic> Nic::MakeMacvtap(int number, Fd network_namespace, const std::string& below, int queues,
                             bool vhost) {
    if (::ioctl(network_namespace.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return Fail("what came with the request is no network namespace", EINVAL);
    CC_ASSIGN(const netns::Socket socket, netns::Socket::OpenIn(network_namespace));
    Nic nic(TapName(number), {});
    CC_TRY(netns::AddMacvtap(socket, nic.name_, below));
    nic.namespace_ = std::move(network_namespace);
    nic.macvtap_ = true;
    CC_ASSIGN(nic.back_end_.taps, netns::OpenMacvtap(nic.namespace_, nic.name_, queues));
    if (vhost) nic.back_end_.vhosts = OpenVhostNets(nic.back_end_.taps.size());
    return nic;
}

// Whoever had the link below may have taken that away, and this with it.
Nic::~Nic() {
    if (!macvtap_ || !namespace_) return;
    if (const auto socket = netns::Socket::OpenIn(namespace_))
        (void)netns::DeleteLink(*socket, name_);
}

Result<void> Nic::Attach(Fd network_namespace) {
    if (namespace_) {
        CC_ASSIGN(const bool same, SameFile(namespace_, network_namespace));
        if (same) return {};
        return Fail("the network device is attached to another network namespace already",
                    EALREADY);
    }
    if (::ioctl(network_namespace.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return Fail("what came with the request is no network namespace", EINVAL);
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const netns::FoundLink tap, netns::FindLink(socket, name_));
    if (persistent_) CC_TRY(SetPersistent(persistent_, false));
    persistent_.Reset();
    CC_TRY(netns::MoveLink(socket, tap.index, network_namespace, name_));
    namespace_ = std::move(network_namespace);
    return {};
}

}  // namespace cc

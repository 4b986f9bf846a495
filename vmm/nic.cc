// SPDX-License-Identifier: Apache-2.0
#include "vmm/nic.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "base/text.h"
#include "netns/redirect.h"
#include "protocol/network.h"

namespace cc {

Result<void> LeaveNetwork() {
    if (::unshare(CLONE_NEWNET) < 0) return FailErrno("making a network namespace for the VM");
    return {};
}

Result<Nic> Nic::Make() {
    auto tap = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (!tap)
        return Fail(Cat("making the machine's network device: ", tap.error().message,
                        "; `modprobe tun`, or do without networks: internetworking_model = "
                        "\"none\" in configuration.toml"),
                    tap.error().code);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    kTapName.copy(request.ifr_name, IFNAMSIZ - 1);
    if (::ioctl(tap->get(), TUNSETIFF, &request) < 0)
        return FailErrno("making the machine's network device, a tap");
    return Nic(std::move(*tap));
}

Result<void> Nic::Attach(Fd network_namespace) {
    if (namespace_) return Fail("the machine's network device is attached already", EALREADY);
    if (::ioctl(network_namespace.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        return Fail("what came with the request is no network namespace", EINVAL);
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    CC_ASSIGN(const netns::FoundLink tap, netns::FindLink(socket, std::string(kTapName)));
    CC_TRY(netns::MoveLink(socket, tap.index, network_namespace, std::string(kTapName)));
    namespace_ = std::move(network_namespace);
    return {};
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// What a virtual machine may claim to be on its link. Its kernel is the container's to take over,
// and frames of somebody else's address would bring a network's switches and neighbours to send it
// what is meant for others.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <linux/filter.h>
#include <netinet/in.h>

#include "netns/socket.h"
#include "protocol/network.h"

namespace cc::netns {

struct SenderRules {
    std::array<uint8_t, 6> mac{};
    std::vector<in_addr> ipv4;
    std::vector<in6_addr> ipv6;
};
// A link's own hardware address; IP addresses of all links, because Linux may ask on one link in
// the name of its address on another.
Result<SenderRules> RulesFor(const Network& network, const NetworkLink& link);

// A classic BPF program for frames from their first byte on: TC_ACT_UNSPEC passes one on to the
// next filter, TC_ACT_SHOT drops it. Dropped are frames
// - from another hardware address, or with a VLAN tag in them (beneath one that the kernel has
//   taken off, as it has on its way in);
// - of ARP and of IPv6's neighbour discovery that tell other addresses than these; of the latter
//   also all that only a router sends, and any that hide behind extension headers.
std::vector<sock_filter> GuardProgram(const SenderRules& rules);

// Where frames of the machine's are looked at: as they come in by a tap, or as they leave by a
// macvtap.
enum class GuardedWay { kIn, kOut };
// Puts a guard before all other filters of the link, which has its ingress qdisc (kIn) or gets the
// qdisc it needs (kOut); a guard that is there is replaced with no frame passing between. ENOENT:
// this kernel has no such filter (cls_bpf).
Result<void> Guard(const Socket& socket, int index, GuardedWay way, const SenderRules& rules);

}  // namespace cc::netns

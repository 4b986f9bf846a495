// SPDX-License-Identifier: Apache-2.0
// A network namespace as plain values: what the runtime finds on the host, and what the agent gives
// the guest. On the wire it is the member "network" of STARTPOD (extension 5).
//
// Addresses are texts with their prefix ("10.0.0.2/16", "fd00::2/64"), so that their family needs
// no telling; numbers that the kernel keeps for routes (scope, protocol, type, metrics) are the
// kernel's own and are handed on as they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace cc {

// The address that the machine's own network device has until it is given the container's: the
// same in every machine, as saved ones have it in their memory. Locally administered.
constexpr std::string_view kNicAddress = "02:cc:00:00:00:00";
// A machine's devices are numbered: 0 is the one it begins with, others are plugged in later and
// never leave. Device N comes with this address, in the guest.
std::string NicAddress(int number);
Result<int> NicNumber(std::string_view address);
constexpr int kMostNics = 16;

// The host's end of it. Its name tells whoever looks into a container's network namespace, and this
// project itself, that a virtual machine has it.
constexpr std::string_view kTapName = "tap0_cc";
std::string TapName(int number);  // of device N
bool IsTapName(std::string_view name);
// Of the bridge that joins it with a link, where that is how they are joined.
std::string BridgeName(int number);
// Whether it is a link of ours, in a container's network namespace.
bool IsOwnLinkName(std::string_view name);

struct LinkAddress {
    std::string address;
    std::string peer = {};       // of a point-to-point link; empty: none
    std::string broadcast = {};  // empty: none
    int64_t scope = 0;
    // The kernel makes the route to the address's network itself; otherwise it is told as others.
    bool prefix_route = false;
    bool operator==(const LinkAddress&) const = default;
};

struct NetworkLink {
    std::string name;
    std::string mac;  // empty: a link that has none
    int64_t mtu = 0;
    bool up = false;
    // Which device of the machine it shall be, by the address that this has now; empty where that
    // is not told: by `mac`, then by `name`.
    std::string device;
    std::vector<LinkAddress> addresses;
    int64_t index = 0;  // of the link in the namespace that was read; 0: not told
    bool operator==(const NetworkLink&) const = default;
};

struct NextHop {
    std::string link;          // empty: none, as with routes that lead nowhere
    std::string gateway = {};  // empty: the destination is on the link
    int64_t flags = 0;         // RTNH_F_ONLINK and the like
    int64_t weight = 0;        // among several, one less than its share
    bool operator==(const NextHop&) const = default;
};

struct NetworkRoute {
    std::string destination;  // "0.0.0.0/0" is the default
    std::string source;       // preferred source address; empty: none
    int64_t type = 1;         // RTN_UNICAST
    int64_t scope = 0;
    int64_t protocol = 0;
    int64_t priority = 0;                              // what `ip route` calls metric
    std::vector<std::pair<int64_t, int64_t>> metrics;  // RTAX_MTU, RTAX_ADVMSS, ...: value
    std::vector<NextHop> next_hops;
    bool operator==(const NetworkRoute&) const = default;
};

struct NetworkNeighbour {  // a static one
    std::string link;
    std::string address;
    std::string mac;
    bool operator==(const NetworkNeighbour&) const = default;
};

struct Network {
    std::vector<NetworkLink> links;
    std::vector<NetworkRoute> routes;  // of the main table
    std::vector<NetworkNeighbour> neighbours;
    bool operator==(const Network&) const = default;
};

Json ToJson(const Network& network);
Result<Network> ParseNetwork(const Json& json);

}  // namespace cc

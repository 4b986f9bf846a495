// SPDX-License-Identifier: Apache-2.0
#include "protocol/pod_network.h"

#include <arpa/inet.h>

namespace cc {

namespace {

// Of the kernel's, for routes that are told without (linux/rtnetlink.h).
constexpr int64_t kScopeLink = 253, kScopeUniverse = 0, kProtocolBoot = 3;

bool IsIpv4(const std::string& text) {
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// Of addresses whose network nobody told: as Go's DefaultMask has it.
int ClassPrefix(const std::string& address) {
    in_addr parsed{};
    if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) return 128;
    const uint32_t first = ntohl(parsed.s_addr) >> 24;
    return first < 128 ? 8 : first < 192 ? 16 : 24;
}

std::string WithPrefix(const std::string& address, const std::string& mask) {
    if (address.find('/') != std::string::npos) return address;
    const auto prefix = ParseNumber<int>(mask);
    return Cat(address, "/", prefix ? *prefix : ClassPrefix(address));
}

template <class Value, class Parse>
Result<std::vector<Value>> ParseEach(const Json* array, Parse parse) {
    std::vector<Value> all;
    if (array == nullptr) return all;
    for (const auto& entry : *array) {
        CC_ASSIGN(Value value, parse(entry));
        all.push_back(std::move(value));
    }
    return all;
}

}  // namespace

Result<NetworkLink> ParsePodInterface(const Json& json) {
    GoReader reader(json);
    NetworkLink link;
    link.name = reader.String("newDeviceName");
    link.mac = reader.String("macAddr");
    link.mtu = reader.Int("mtu");
    link.up = true;
    if (const Json* addresses = reader.Array("ipAddresses"))
        for (const auto& entry : *addresses) {
            GoReader address(entry);
            const std::string ip = address.String("ipAddress"), mask = address.String("netMask");
            if (auto finished = address.Finish("ipAddresses"); !finished)
                reader.Remember(finished.error());
            link.addresses.push_back({.address = WithPrefix(ip, mask), .prefix_route = true});
        }
    CC_TRY(reader.Finish("interface"));
    if (link.name.empty()) return Fail("interface: \"newDeviceName\" is missing");
    if (link.mtu < 0 || link.mtu > UINT16_MAX) return Fail(Cat("interface: mtu ", link.mtu));
    return link;
}

Result<NetworkRoute> ParsePodRoute(const Json& json) {
    GoReader reader(json);
    const std::string to = reader.String("dest"), gateway = reader.String("gateway");
    NetworkRoute route;
    route.source = reader.String("src");
    route.next_hops.push_back({.link = reader.String("device"), .gateway = gateway});
    CC_TRY(reader.Finish("route"));
    const bool v6 = gateway.find(':') != std::string::npos;
    route.destination =
        to.empty() || to == "default" ? (v6 ? "::/0" : "0.0.0.0/0") : WithPrefix(to, "");
    const bool on_link = gateway.empty() && IsIpv4(to.substr(0, to.find('/')));
    route.scope = on_link ? kScopeLink : kScopeUniverse;
    route.protocol = kProtocolBoot;
    return route;
}

Result<Network> ParsePodNetwork(const Json& json) {
    GoReader reader(json);
    Network network;
    CC_ASSIGN(network.links, ParseEach<NetworkLink>(reader.Array("interfaces"), ParsePodInterface));
    CC_ASSIGN(network.routes, ParseEach<NetworkRoute>(reader.Array("routes"), ParsePodRoute));
    CC_TRY(reader.Finish("STARTPOD"));
    return network;
}

Result<NetworkLink> ParseSetupInterface(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    return ParsePodInterface(json);
}

Result<std::vector<NetworkRoute>> ParseSetupRoute(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    CC_ASSIGN(Network network, ParsePodNetwork(json));
    return std::move(network.routes);
}

}  // namespace cc

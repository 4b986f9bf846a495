// SPDX-License-Identifier: Apache-2.0
#include "protocol/network.h"

#include "base/json_full.h"

namespace cc {

namespace {

constexpr int64_t kMost = UINT32_MAX;  // the kernel's numbers have at most 32 bits

Json ToJson(const NetworkLink& link) {
    Json addresses = Json::array();
    for (const auto& address : link.addresses)
        addresses.push_back({{"address", address.address},
                             {"peer", address.peer},
                             {"broadcast", address.broadcast},
                             {"scope", address.scope}});
    Json json = {{"name", link.name}, {"mac", link.mac},       {"mtu", link.mtu},
                 {"up", link.up},     {"device", link.device}, {"addresses", std::move(addresses)}};
    if (link.index != 0) json["index"] = link.index;
    return json;
}

Json ToJson(const NetworkRoute& route) {
    Json metrics = Json::array(), hops = Json::array();
    for (const auto& [number, value] : route.metrics)
        metrics.push_back({{"number", number}, {"value", value}});
    for (const auto& hop : route.next_hops)
        hops.push_back({{"link", hop.link},
                        {"gateway", hop.gateway},
                        {"flags", hop.flags},
                        {"weight", hop.weight}});
    return {{"destination", route.destination},
            {"source", route.source},
            {"type", route.type},
            {"scope", route.scope},
            {"protocol", route.protocol},
            {"priority", route.priority},
            {"metrics", std::move(metrics)},
            {"nextHops", std::move(hops)}};
}

// Each entry of the array `key` by `parse`; what fails is named.
template <class Parse>
auto ParseAll(const Json& json, std::string_view key, Parse parse)
    -> Result<std::vector<typename decltype(parse(json))::value_type>> {
    std::vector<typename decltype(parse(json))::value_type> all;
    CC_ASSIGN(const Json* array, ArrayMember(json, key));
    if (array == nullptr) return all;
    for (const auto& entry : *array) {
        if (!entry.is_object()) return Fail(Cat(key, ": holds what is no object"));
        CC_ASSIGN(auto value, Context(key, parse(entry)));
        all.push_back(std::move(value));
    }
    return all;
}

Result<LinkAddress> ParseAddress(const Json& json) {
    LinkAddress address;
    CC_ASSIGN(address.address, StringMember(json, "address"));
    CC_ASSIGN(address.peer, StringMember(json, "peer"));
    CC_ASSIGN(address.broadcast, StringMember(json, "broadcast"));
    CC_ASSIGN(address.scope, IntMember(json, "scope", 0, 0, UINT8_MAX));
    return address;
}

Result<NetworkLink> ParseLink(const Json& json) {
    NetworkLink link;
    CC_ASSIGN(link.name, StringMember(json, "name"));
    CC_ASSIGN(link.mac, StringMember(json, "mac"));
    CC_ASSIGN(link.mtu, IntMember(json, "mtu", 0, 0, kMost));
    CC_ASSIGN(link.up, BoolMember(json, "up"));
    CC_ASSIGN(link.device, StringMember(json, "device"));
    CC_ASSIGN(link.addresses, ParseAll(json, "addresses", ParseAddress));
    CC_ASSIGN(link.index, IntMember(json, "index", 0, 0, INT32_MAX));
    return link;
}

Result<std::pair<int64_t, int64_t>> ParseMetric(const Json& json) {
    std::pair<int64_t, int64_t> metric;
    CC_ASSIGN(metric.first, IntMember(json, "number", 0, 1, UINT8_MAX));
    CC_ASSIGN(metric.second, IntMember(json, "value", 0, 0, kMost));
    return metric;
}

Result<NextHop> ParseNextHop(const Json& json) {
    NextHop hop;
    CC_ASSIGN(hop.link, StringMember(json, "link"));
    CC_ASSIGN(hop.gateway, StringMember(json, "gateway"));
    CC_ASSIGN(hop.flags, IntMember(json, "flags", 0, 0, UINT8_MAX));
    CC_ASSIGN(hop.weight, IntMember(json, "weight", 0, 0, UINT8_MAX));
    return hop;
}

Result<NetworkRoute> ParseRoute(const Json& json) {
    NetworkRoute route;
    CC_ASSIGN(route.destination, StringMember(json, "destination"));
    CC_ASSIGN(route.source, StringMember(json, "source"));
    CC_ASSIGN(route.type, IntMember(json, "type", route.type, 0, UINT8_MAX));
    CC_ASSIGN(route.scope, IntMember(json, "scope", 0, 0, UINT8_MAX));
    CC_ASSIGN(route.protocol, IntMember(json, "protocol", 0, 0, UINT8_MAX));
    CC_ASSIGN(route.priority, IntMember(json, "priority", 0, 0, kMost));
    CC_ASSIGN(route.metrics, ParseAll(json, "metrics", ParseMetric));
    CC_ASSIGN(route.next_hops, ParseAll(json, "nextHops", ParseNextHop));
    return route;
}

Result<NetworkNeighbour> ParseNeighbour(const Json& json) {
    NetworkNeighbour neighbour;
    CC_ASSIGN(neighbour.link, StringMember(json, "link"));
    CC_ASSIGN(neighbour.address, StringMember(json, "address"));
    CC_ASSIGN(neighbour.mac, StringMember(json, "mac"));
    return neighbour;
}

constexpr std::string_view kTapBegin = "tap", kTapEnd = "_cc";

}  // namespace

std::string NicAddress(int number) {
    std::string address(kNicAddress.substr(0, kNicAddress.size() - 2));
    return address + HexEncode(std::string(1, static_cast<char>(number)));
}

Result<int> NicNumber(std::string_view address) {
    for (int number = 0; number < kMostNics; ++number)
        if (address == NicAddress(number)) return number;
    return Fail(Cat(Quoted(address, 32), " is not the address of a device of the machine's"));
}

std::string TapName(int number) {
    return Cat(kTapBegin, number, kTapEnd);
}

bool IsTapName(std::string_view name) {
    for (int number = 0; number < kMostNics; ++number)
        if (name == TapName(number)) return true;
    return false;
}

std::string BridgeName(int number) {
    return Cat("br", number, kTapEnd);
}

bool IsOwnLinkName(std::string_view name) {
    for (int number = 0; number < kMostNics; ++number)
        if (name == TapName(number) || name == BridgeName(number)) return true;
    return false;
}

Json ToJson(const Network& network) {
    Json links = Json::array(), routes = Json::array(), neighbours = Json::array();
    for (const auto& link : network.links)
        links.push_back(ToJson(link));
    for (const auto& route : network.routes)
        routes.push_back(ToJson(route));
    for (const auto& neighbour : network.neighbours)
        neighbours.push_back(
            {{"link", neighbour.link}, {"address", neighbour.address}, {"mac", neighbour.mac}});
    return {{"links", std::move(links)},
            {"routes", std::move(routes)},
            {"neighbours", std::move(neighbours)}};
}

Result<Network> ParseNetwork(const Json& json) {
    if (!json.is_object()) return Fail("network: not an object");
    Network network;
    CC_ASSIGN(network.links, ParseAll(json, "links", ParseLink));
    CC_ASSIGN(network.routes, ParseAll(json, "routes", ParseRoute));
    CC_ASSIGN(network.neighbours, ParseAll(json, "neighbours", ParseNeighbour));
    return network;
}

}  // namespace cc

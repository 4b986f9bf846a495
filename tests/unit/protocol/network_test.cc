// SPDX-License-Identifier: Apache-2.0
#include "protocol/network.h"

#include <doctest/doctest.h>

#include "base/json_full.h"

using namespace cc;

TEST_CASE("a network is the same after its way over the wire") {
    Network network;
    network.links.push_back(
        {.name = "eth0",
         .mac = "02:42:ac:11:00:02",
         .mtu = 1500,
         .up = true,
         .device = std::string(kNicAddress),
         .addresses = {{"172.17.0.2/16", "", "172.17.255.255", 0}, {"fe80::2/64", "", "", 253}}});
    network.routes.push_back({.destination = "0.0.0.0/0",
                              .source = "172.17.0.2",
                              .type = 1,
                              .scope = 0,
                              .protocol = 3,
                              .priority = 4294967295,
                              .metrics = {{2, 1400}},
                              .next_hops = {{"eth0", "172.17.0.1", 4, 1}}});
    network.neighbours.push_back({"eth0", "172.17.0.9", "02:00:00:00:00:09"});
    const auto parsed = ParseNetwork(ToJson(network));
    REQUIRE_MESSAGE(parsed, parsed.error().message);
    CHECK(*parsed == network);
    const auto empty = ParseNetwork(ToJson(Network{}));
    REQUIRE(empty);
    CHECK(*empty == Network{});
}

TEST_CASE("what is no network is named") {
    for (const auto* text :
         {R"([])", R"({"links":{}})", R"({"links":[1]})", R"({"links":[{"mtu":-1}]})",
          R"({"routes":[{"priority":4294967296}]})", R"({"routes":[{"nextHops":[{"flags":256}]}]})",
          R"({"neighbours":[{"mac":7}]})", R"({"routes":[{"metrics":[{"number":0}]}]})"}) {
        INFO(text);
        const auto json = ParseJson(text);
        REQUIRE(json);
        CHECK_FALSE(ParseNetwork(*json));
    }
}

// SPDX-License-Identifier: Apache-2.0
#include "protocol/network.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/pod_network.h"
#include "protocol/update_network.h"
#include "protocol/vm_verbs.h"

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

TEST_CASE("STARTPOD says what the network is, also that it is none, or nothing") {
    StartPod pod{"pod", "hyperShared"};
    CHECK_FALSE(ParseStartPod(Encode(pod))->network);
    pod.network.emplace();
    REQUIRE(ParseStartPod(Encode(pod))->network);
    CHECK(ParseStartPod(Encode(pod))->network->links.empty());
    pod.network->links.push_back({.name = "eth0",
                                  .mac = "02:42:ac:11:00:02",
                                  .mtu = 1500,
                                  .up = true,
                                  .device = std::string(kNicAddress),
                                  .addresses = {{"10.0.0.2/8"}}});
    CHECK(ParseStartPod(Encode(pod))->network == pod.network);
    CHECK_FALSE(ParseStartPod(R"({"hostname":"a","shareDir":"b","network":{"links":[7]}})"));
    CHECK_FALSE(ParseStartPod(R"({"hostname":"a","shareDir":"b","network":7})"));
}

TEST_CASE("3.0's words for a network") {
    const auto parse = [](const char* text) { return ParsePodInterface(ParseJson(text).value()); };
    const auto link = parse(
        R"({"newDeviceName":"eth1","macAddr":"02:00:00:00:00:05","mtu":9000,"device":"ignored",
            "ipAddresses":[{"ipAddress":"10.0.0.5","netMask":"24"},
              {"ipAddress":"172.16.0.5","netMask":"255.255.0.0"},{"ipAddress":"192.0.2.5"}]})");
    REQUIRE_MESSAGE(link, link.error().message);
    CHECK(link->name == "eth1");
    CHECK(link->up);
    REQUIRE(link->addresses.size() == 3);
    CHECK(link->addresses[0].address == "10.0.0.5/24");
    // A mask that is an address is as good as none: that of the address's class.
    CHECK(link->addresses[1].address == "172.16.0.5/16");
    CHECK(link->addresses[2].address == "192.0.2.5/24");
    CHECK(link->addresses[0].prefix_route);
    CHECK_FALSE(parse(R"({"macAddr":"02:00:00:00:00:05"})"));
    CHECK_FALSE(parse(R"({"newDeviceName":"eth0","mtu":-1})"));
    CHECK_FALSE(parse(R"({"newDeviceName":"eth0","ipAddresses":[{"ipAddress":5}]})"));

    const auto routes = ParseSetupRoute(
        R"({"routes":[{"dest":"","gateway":"10.0.0.1","device":"eth0"},{"gateway":"fd00::1","device":"eth0"},
            {"dest":"172.16.0.0","device":"eth0","src":"172.16.0.5"}]})");
    REQUIRE_MESSAGE(routes, routes.error().message);
    REQUIRE(routes->size() == 3);
    CHECK((*routes)[0].destination == "0.0.0.0/0");
    CHECK((*routes)[0].next_hops[0].gateway == "10.0.0.1");
    CHECK((*routes)[1].destination == "::/0");
    CHECK((*routes)[2].destination == "172.16.0.0/16");
    CHECK((*routes)[2].source == "172.16.0.5");
    CHECK((*routes)[2].scope == 253);
}

TEST_CASE("a network that changes is told whole") {
    const UpdateNetwork none;
    const std::string payload = Encode(none);
    CHECK(payload == R"({"network":{"links":[],"routes":[],"neighbours":[]}})");
    // As docs/protocol.md shows it.
    CHECK(HexEncode(EncodeControl(ControlCode::kUpdateNetwork, payload)).substr(0, 16) ==
          "0000006b0000003c");
    CHECK(ParseHyperName("updatenetwork") == ControlCode::kUpdateNetwork);
    UpdateNetwork one;
    one.network.links.push_back(
        {.name = "eth1", .mac = "02:42:ac:12:00:02", .device = NicAddress(1), .addresses = {}});
    const auto parsed = ParseUpdateNetwork(Encode(one));
    REQUIRE_MESSAGE(parsed, parsed.error().message);
    CHECK(parsed->network == one.network);
    for (const char* bad : {"", "{}", R"({"network":7})", R"({"network":{"links":7}})"})
        CHECK_FALSE(ParseUpdateNetwork(bad));
}

TEST_CASE("a machine's devices and their taps have numbers") {
    CHECK(NicAddress(0) == kNicAddress);
    CHECK(TapName(0) == kTapName);
    for (int number = 0; number < kMostNics; ++number) {
        CHECK(NicNumber(NicAddress(number)).value_or(-1) == number);
        CHECK(IsTapName(TapName(number)));
        CHECK(TapName(number).size() < 16);
    }
    CHECK_FALSE(NicNumber("02:cc:00:00:00:10"));
    CHECK_FALSE(NicNumber(""));
    for (const char* other : {"tap0", "eth0", "tap_cc", "tap16_cc", ""})
        CHECK_FALSE(IsTapName(other));
    CHECK(IsOwnLinkName("br3_cc"));
    CHECK(IsOwnLinkName("tap3_cc"));
    for (const char* other : {"br0", "br16_cc", "eth0", ""})
        CHECK_FALSE(IsOwnLinkName(other));
}

TEST_CASE("verbs about networks") {
    for (const Card& card : {Card{3}, Card{1, CardKind::kPhysical, "0000:03:1f.7"},
                             Card{15, CardKind::kMacvtap, "eth0"},
                             Card{2, CardKind::kVhostUser, "/tmp/vhostuser_10.0.0.2/vhu.sock"}}) {
        const auto attach =
            ParseVmRequest(Encode(VmRequest{.verb = VmVerb::kAttachNetwork, .card = card}));
        REQUIRE_MESSAGE(attach, attach.error().message);
        CHECK(attach->card == card);
    }
    CHECK(ParseVmRequest(R"({"verb":"attach_network"})")->card == Card());
    for (const char* refused :
         {R"("nic":1,"kind":"physical","source":"03:10.0")", R"("nic":1,"kind":"physical")",
          R"("nic":1,"kind":"physical","source":"0000:03:10.8")",
          R"("nic":1,"kind":"physical","source":"0000:03:10.0/..")",
          R"("nic":0,"kind":"physical","source":"0000:03:10.0")",
          R"("nic":1,"kind":"vhost-user","source":"vhu.sock")", R"("nic":1,"kind":"vhost-user")",
          R"("nic":1,"kind":"macvtap")", R"("nic":1,"kind":"macvtap","source":"a/b")",
          R"("nic":1,"kind":"macvtap","source":"sixteen-letters-")",
          R"("nic":1,"kind":"other","source":"/a")"})
        CHECK_FALSE_MESSAGE(ParseVmRequest(Cat(R"({"verb":"attach_network",)", refused, "}")),
                            refused);
    CHECK_FALSE(ParseVmRequest(R"({"verb":"attach_network","nic":16})"));
    CHECK_FALSE(ParseVmRequest(R"({"verb":"attach_network","nic":-1})"));
    const auto watch = ParseVmRequest(
        Encode(VmRequest{.verb = VmVerb::kWatchNetwork, .path = "/run/cc", .sandbox = "web"}));
    REQUIRE(watch);
    CHECK(watch->path == "/run/cc");
    CHECK(watch->sandbox == "web");
    CHECK_FALSE(ParseVmRequest(R"({"verb":"watch_network","path":"/run/cc"})"));
    CHECK_FALSE(ParseVmRequest(R"({"verb":"watch_network","path":"run","sandbox":"web"})"));
}

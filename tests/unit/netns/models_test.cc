// SPDX-License-Identifier: Apache-2.0
// Joining a link and a machine's device by a bridge and by a macvtap.
#include <array>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netlink/route/link/macvlan.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "netns/apply.h"
#include "netns/bridge.h"
#include "netns/macvtap.h"
#include "netns/redirect.h"
#include "netns/scan.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::netns;

namespace {

constexpr std::string_view kLinkMac("\x02\x42\x0a\x00\x00\x02", 6);
constexpr std::string_view kFarMac("\x02\x42\x0a\x00\x00\x01", 6);
constexpr size_t kVnetHeader = 10;  // of virtio-net, before each frame of a macvtap

// eth0 with 10.0.0.2 in a namespace, and whatever is on the other end of it in another.
struct Pair {
    Fd place = test::NewNetworkNamespace(), outside = test::NewNetworkNamespace();
    Socket socket = test::SocketIn(place), far = test::SocketIn(outside);
    Fd packets;

    Pair() {
        test::MakeVeth(socket, "eth0", "far");
        const auto other = FindLink(socket, "far");
        REQUIRE(MoveLink(socket, other->index, outside, "far"));
        Configure(far, "far", "02:42:0a:00:00:01", "10.0.0.1/24");
        Configure(socket, "eth0", "02:42:0a:00:00:02", "10.0.0.2/24");
        test::InNamespace(outside, [&] { Listen(FindLink(far, "far")->index); });
        REQUIRE(packets);
    }
    static void Configure(const Socket& in, const char* name, const char* mac,
                          const char* address) {
        NetworkLink link;
        link.name = name;
        link.mac = mac;
        // Found by its name: it has another address.
        const auto found = FindLink(in, name);
        REQUIRE(found);
        link.mtu = 1400;
        link.up = true;
        link.addresses = {{address}};
        const LinkPtr which(rtnl_link_alloc()), changes(rtnl_link_alloc());
        rtnl_link_set_ifindex(which.get(), found->index);
        const auto parsed = ParseAddress(mac, AF_LLC);
        REQUIRE(parsed);
        rtnl_link_set_addr(changes.get(), parsed->get());
        REQUIRE(rtnl_link_change(in.get(), which.get(), changes.get(), 0) == 0);
        const auto applied = ApplyLink(in, link);
        REQUIRE_MESSAGE(applied, applied.error().message);
    }
    void Listen(int index) {
        packets = Fd::Adopt(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = index;
        REQUIRE(::bind(packets.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
};

std::string FrameTo(std::string_view to, std::string_view from, std::string_view word) {
    std::string frame(to);
    frame += from;
    frame += std::string("\x88\xb5", 2);
    frame += word;
    frame.resize(64, '\0');
    return frame;
}

// Who has 10.0.0.2? asks 10.0.0.1.
std::string WhoHas() {
    return std::string(6, '\xff') + std::string(kFarMac) +
           std::string("\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10) + std::string(kFarMac) +
           std::string("\x0a\x00\x00\x01", 4) + std::string(6, '\0') +
           std::string("\x0a\x00\x00\x02", 4);
}

bool Comes(const Fd& fd, std::string_view part, int tenths = 10) {
    for (int i = 0; i < tenths; ++i) {
        pollfd poll{fd.get(), POLLIN, 0};
        if (::poll(&poll, 1, 100) <= 0) continue;
        std::array<char, 2048> buffer{};
        const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
        if (count > 0 && std::string_view(buffer.data(), static_cast<size_t>(count)).find(part) !=
                             std::string_view::npos)
            return true;
    }
    return false;
}

void Send(const Fd& fd, const std::string& frame) {
    REQUIRE(::write(fd.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size()));
}

Fd TapIn(const Fd& place, const char* name) {
    Fd tap;
    test::InNamespace(place, [&] {
        tap = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK).value();
        ifreq request{};
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        std::string_view(name).copy(request.ifr_name, IFNAMSIZ - 1);
        REQUIRE(::ioctl(tap.get(), TUNSETIFF, &request) == 0);
    });
    return tap;
}

void AddMacvlan(const Socket& socket, const char* name, const char* below) {
    const LinkPtr link(rtnl_link_macvlan_alloc());
    rtnl_link_set_name(link.get(), name);
    rtnl_link_set_link(link.get(), FindLink(socket, below)->index);
    rtnl_link_macvlan_set_mode(link.get(),
                               static_cast<uint32_t>(rtnl_link_macvlan_str2mode("bridge")));
    REQUIRE(rtnl_link_add(socket.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL) == 0);
    REQUIRE(SetUp(socket, FindLink(socket, name)->index, true));
}

Network Seen(const Pair& pair) {
    auto network = ReadNetwork(pair.socket);
    REQUIRE(network);
    std::erase_if(network->links, [](const auto& link) { return link.name != "eth0"; });
    return *network;
}

}  // namespace

TEST_CASE(
    "a bridge carries frames both ways, to any address, and its namespace has no part in it") {
    Pair pair;
    const Network before = Seen(pair);
    Fd tap = TapIn(pair.place, "tap0_cc");
    const auto inside = FindLink(pair.socket, "tap0_cc"), eth0 = FindLink(pair.socket, "eth0");
    REQUIRE(ForbidOwnAddresses(pair.socket, inside->index));
    REQUIRE(SetUp(pair.socket, inside->index, true));
    for (int i = 0; i < 2; ++i) {
        const auto joined = Bridge(pair.socket, "br0_cc", {eth0->index, inside->index});
        REQUIRE_MESSAGE(joined, joined.error().message);
    }
    // The link is as the engine has made it.
    CHECK(Seen(pair) == before);
    // To the link's own address, which is the guest's; from the guest with that address.
    Send(pair.packets, FrameTo(kLinkMac, kFarMac, "to the guest"));
    CHECK(Comes(tap, "to the guest"));
    Send(tap, FrameTo(kFarMac, kLinkMac, "to the world"));
    CHECK(Comes(pair.packets, "to the world"));
    // What the guest says from forged addresses changes nobody's way.
    Send(tap, FrameTo(kFarMac, kFarMac, "forged"));
    CHECK(Comes(pair.packets, "forged"));
    Send(tap, FrameTo(kFarMac, kLinkMac, "still there"));
    CHECK(Comes(pair.packets, "still there"));
    Send(pair.packets, FrameTo(kLinkMac, kFarMac, "still here"));
    CHECK(Comes(tap, "still here"));
    // Everybody hears a question for the link's address, and only the guest may answer.
    Send(pair.packets, WhoHas());
    CHECK(Comes(tap, std::string("\x0a\x00\x00\x02", 4)));
    CHECK_FALSE(Comes(pair.packets, std::string("\x06\x04\x00\x02", 4), 3));

    // Without it the namespace answers again.
    REQUIRE(DeleteLink(pair.socket, "br0_cc"));
    tap.Reset();
    CHECK(Seen(pair) == before);
    Send(pair.packets, WhoHas());
    CHECK(Comes(pair.packets, std::string("\x06\x04\x00\x02", 4)));
}

TEST_CASE("a link that cannot be a port leaves no bridge behind") {
    Pair pair;
    AddMacvlan(pair.socket, "mv0", "eth0");
    const auto eth0 = FindLink(pair.socket, "eth0");
    const auto joined = Bridge(pair.socket, "br0_cc", {eth0->index});
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == EBUSY);
    CHECK(joined.error().message.find("eth0") != std::string::npos);
    CHECK_FALSE(FindLink(pair.socket, "br0_cc"));
    // A macvlan itself can.
    CHECK(Bridge(pair.socket, "br0_cc", {FindLink(pair.socket, "mv0")->index}));
    // Loopback never.
    CHECK_FALSE(Bridge(pair.socket, "br1_cc", {1}));
    CHECK_FALSE(FindLink(pair.socket, "br1_cc"));
}

TEST_CASE("a macvtap carries frames both ways, and its link keeps what it has") {
    Pair pair;
    if (!KnowsMacvtap(pair.socket)) {
        MESSAGE("SKIPPED: this kernel has no macvtap");
        return;
    }
    const Network before = Seen(pair);
    CHECK(CanCarryMacvtap(pair.socket, "eth0").value_or(false));
    auto made = AddMacvtap(pair.socket, "tap15_cc", "eth0");
    REQUIRE_MESSAGE(made, made.error().message);
    auto taps = OpenMacvtap(pair.place, "tap15_cc", 1);
    REQUIRE_MESSAGE(taps, taps.error().message);
    const Fd* tap = &taps->front();
    CHECK(Seen(pair) == before);
    Send(pair.packets, FrameTo(kLinkMac, kFarMac, "to the guest"));
    CHECK(Comes(*tap, "to the guest"));
    Send(*tap, std::string(kVnetHeader, '\0') + FrameTo(kFarMac, kLinkMac, "to the world"));
    CHECK(Comes(pair.packets, "to the world"));
    // To all, and to a group that only the guest knows.
    Send(pair.packets, FrameTo(std::string(6, '\xff'), kFarMac, "to all"));
    CHECK(Comes(*tap, "to all"));
    Send(pair.packets, FrameTo("\x33\x33\xff\x12\x34\x56", kFarMac, "to a group"));
    CHECK(Comes(*tap, "to a group"));
    // It outlives its descriptor.
    taps->clear();
    CHECK(FindLink(pair.socket, "tap15_cc"));
    CHECK_FALSE(AddMacvtap(pair.socket, "tap14_cc", "eth0"));
    REQUIRE(DeleteLink(pair.socket, "tap15_cc"));
    CHECK(Seen(pair) == before);
    rtnl_link* link = nullptr;
    REQUIRE(rtnl_link_get_kernel(pair.socket.get(), 0, "eth0", &link) == 0);
    const LinkPtr owner(link);
    CHECK((rtnl_link_get_flags(link) & (IFF_PROMISC | IFF_ALLMULTI)) == 0);
    CHECK(rtnl_link_get_promiscuity(link) == 0);
}

TEST_CASE("macvtaps of two namespaces whose links have the same index are two") {
    Pair one, two;
    if (!KnowsMacvtap(one.socket)) {
        MESSAGE("SKIPPED: this kernel has no macvtap");
        return;
    }
    Fd first, second;
    for (auto [pair, tap] : {std::pair{&one, &first}, std::pair{&two, &second}}) {
        REQUIRE(AddMacvtap(pair->socket, "tap1_cc", "eth0"));
        auto opened = OpenMacvtap(pair->place, "tap1_cc", 1);
        REQUIRE_MESSAGE(opened, opened.error().message);
        *tap = std::move(opened->front());
    }
    CHECK(FindLink(one.socket, "tap1_cc")->index == FindLink(two.socket, "tap1_cc")->index);
    Send(one.packets, FrameTo(kLinkMac, kFarMac, "to the first"));
    CHECK(Comes(first, "to the first"));
    Send(two.packets, FrameTo(kLinkMac, kFarMac, "to the second"));
    CHECK(Comes(second, "to the second"));
}

TEST_CASE("no macvtap goes above a macvlan, which would be one above the host's link") {
    Pair pair;
    AddMacvlan(pair.socket, "mv0", "eth0");
    CHECK_FALSE(CanCarryMacvtap(pair.socket, "mv0").value_or(true));
    CHECK_FALSE(CanCarryMacvtap(pair.socket, "nowhere"));
}

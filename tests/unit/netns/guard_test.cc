// SPDX-License-Identifier: Apache-2.0
// Who a machine may say that it is.
#include "netns/guard.h"

#include <array>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "netns/apply.h"
#include "netns/macvtap.h"
#include "netns/redirect.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::netns;

namespace {

const std::string kOwn("\x02\x42\x0a\x70\x00\x02", 6), kOther("\x02\x42\x0a\x70\x00\x03", 6);
const std::string kAll(6, '\xff');

Network TwoLinks() {
    NetworkLink one, two;
    one.name = "eth0";
    one.mac = "02:42:0a:70:00:02";
    one.addresses = {{"10.112.0.2/24"}, {"fd66::2/64"}, {"fe80::42:aff:fe70:2/64"}};
    two.name = "eth1";
    two.mac = "02:42:0a:71:00:02";
    two.addresses = {{"10.113.0.2/24"}};
    return {{one, two}, {}, {}};
}

SenderRules Rules() {
    const Network network = TwoLinks();
    const auto rules = RulesFor(network, network.links.front());
    REQUIRE_MESSAGE(rules, rules.error().message);
    return *rules;
}

std::string Bytes(int family, const char* address) {
    std::array<char, 16> bytes{};
    REQUIRE(::inet_pton(family, address, bytes.data()) == 1);
    return {bytes.data(), family == AF_INET ? 4U : 16U};
}

std::string Frame(const std::string& from, const std::string& type, const std::string& rest) {
    std::string frame = kAll + from + type + rest;
    frame.resize(std::max<size_t>(frame.size(), 64), '\0');
    return frame;
}

std::string Arp(const std::string& mac, const char* address, const std::string& from = kOwn) {
    return Frame(from, std::string("\x08\x06", 2),
                 std::string("\0\1\x08\0\6\4\0\2", 8) + mac + Bytes(AF_INET, address) + kAll +
                     Bytes(AF_INET, "10.112.0.9"));
}

// A neighbour discovery's message, behind other headers where there are any.
std::string Discovery(int type, const char* from, const char* target, int limit = 255,
                      const std::string& headers = "") {
    const char first = headers.empty() ? '\x3a' : '\0';
    return Frame(kOwn, std::string("\x86\xdd", 2),
                 std::string("\x60\0\0\0\0\x20", 6) + first + static_cast<char>(limit) +
                     Bytes(AF_INET6, from) + Bytes(AF_INET6, "ff02::1") + headers +
                     static_cast<char>(type) + std::string(7, '\0') + Bytes(AF_INET6, target));
}

// The kernel's own opinion: a socket's filter says how many bytes of a datagram it lets through,
// which is all of them for what passes (-1), and two for what is dropped (TC_ACT_SHOT).
class Gate {
  public:
    explicit Gate(const SenderRules& rules) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        in_ = Fd::Adopt(ends[0]);
        out_ = Fd::Adopt(ends[1]);
        auto code = GuardProgram(rules);
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        REQUIRE(::setsockopt(out_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ==
                0);
    }
    bool Passes(const std::string& frame) const {
        REQUIRE(::send(in_.get(), frame.data(), frame.size(), 0) ==
                static_cast<ssize_t>(frame.size()));
        std::array<char, 2048> buffer{};
        const ssize_t count = ::recv(out_.get(), buffer.data(), buffer.size(), 0);
        CHECK((count == static_cast<ssize_t>(frame.size()) || count == 2));
        return count > 2;
    }

  private:
    Fd in_, out_;
};

constexpr int kRs = 133, kRa = 134, kNs = 135, kNa = 136, kRedirected = 137;

}  // namespace

TEST_CASE("a machine sends from its own hardware address") {
    const Gate gate(Rules());
    const std::string ip("\x08\x00", 2), strange("\x88\xb5", 2);
    CHECK(gate.Passes(Frame(kOwn, ip, "E")));
    CHECK(gate.Passes(Frame(kOwn, strange, "any protocol")));
    CHECK_FALSE(gate.Passes(Frame(kOther, ip, "E")));
    CHECK_FALSE(gate.Passes(Frame(kAll, strange, "")));
    CHECK_FALSE(gate.Passes(Frame(std::string("\x02\x42\x0a\x70\x01\x02", 6), ip, "")));
    // Whatever is beneath it.
    for (const char* tag : {"\x81\x00", "\x88\xa8"})
        CHECK_FALSE(gate.Passes(Frame(kOwn, std::string(tag, 2), std::string("\0\0\x08\x06", 4))));
}

TEST_CASE("a machine tells by ARP its own addresses, of whichever link, and no others") {
    const Gate gate(Rules());
    for (const char* address : {"10.112.0.2", "10.113.0.2", "0.0.0.0"})
        CHECK(gate.Passes(Arp(kOwn, address)));
    for (const char* address : {"10.112.0.1", "10.112.0.3", "255.255.255.255"})
        CHECK_FALSE(gate.Passes(Arp(kOwn, address)));
    CHECK_FALSE(gate.Passes(Arp(kOther, "10.112.0.2")));
    CHECK_FALSE(gate.Passes(Arp(kOwn, "10.112.0.2", kOther)));
}

TEST_CASE("a machine tells its neighbours its own IPv6 addresses, and is no router") {
    const Gate gate(Rules());
    const char* own = "fd66::2";
    const char* local = "fe80::42:aff:fe70:2";
    CHECK(gate.Passes(Discovery(kNa, own, own)));
    CHECK(gate.Passes(Discovery(kNa, own, local)));
    CHECK_FALSE(gate.Passes(Discovery(kNa, own, "fd66::1")));
    CHECK_FALSE(gate.Passes(Discovery(kNa, own, "fd66::1:0:2")));
    CHECK(gate.Passes(Discovery(kNs, local, "fd66::1")));
    CHECK_FALSE(gate.Passes(Discovery(kNs, "fd66::1", "fd66::3")));
    CHECK(gate.Passes(Discovery(kNs, "::", own)));
    CHECK_FALSE(gate.Passes(Discovery(kNs, "::", "fd66::3")));
    CHECK(gate.Passes(Discovery(kRs, "::", "::")));
    CHECK(gate.Passes(Discovery(kRs, local, "::")));
    CHECK_FALSE(gate.Passes(Discovery(kRs, "fe80::1", "::")));
    for (const int type : {kRa, kRedirected})
        CHECK_FALSE(gate.Passes(Discovery(type, local, own)));
    // Neighbours pass over what has a lower limit, and believe what is behind other headers.
    CHECK(gate.Passes(Discovery(kNa, own, "fd66::1", 64)));
    CHECK_FALSE(gate.Passes(Discovery(kNa, own, own, 255, std::string("\x3a\0\1\4\0\0\0\0", 8))));
    CHECK(gate.Passes(Discovery(143, local, "::", 1, std::string("\x3a\0\5\2\0\0\0\0", 8))));
    CHECK(gate.Passes(Discovery(128, own, "fd66::1")));
}

namespace {

Fd Packets(const Fd& place, int index) {
    Fd socket;
    test::InNamespace(place, [&] {
        socket = Fd::Adopt(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = index;
        CHECK(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    });
    return socket;
}

int Raise(const Socket& socket, const char* name) {
    const auto link = FindLink(socket, name);
    REQUIRE(link);
    REQUIRE(ForbidOwnAddresses(socket, link->index));
    REQUIRE(SetUp(socket, link->index, true));
    return link->index;
}

// Of two frames that are sent one after the other which come; "last" always does.
std::string Arrived(const Fd& machine, const std::string& before, const Fd& far, std::string first,
                    std::string last) {
    for (auto* frame : {&first, &last}) {
        const std::string bytes = before + *frame;
        REQUIRE(::write(machine.get(), bytes.data(), bytes.size()) ==
                static_cast<ssize_t>(bytes.size()));
    }
    std::string seen;
    while (seen.find("last") == std::string::npos) {
        pollfd poll{far.get(), POLLIN, 0};
        if (::poll(&poll, 1, 5000) <= 0) return seen + " and no more";
        std::array<char, 2048> buffer{};
        const ssize_t count = ::read(far.get(), buffer.data(), buffer.size());
        const std::string frame(buffer.data(), static_cast<size_t>(std::max<ssize_t>(count, 0)));
        for (const char* word : {"first", "last"})
            if (frame.find(word) != std::string::npos) seen += Cat(seen.empty() ? "" : " ", word);
    }
    return seen;
}

std::string Said(const std::string& from, const char* word) {
    return Frame(from, std::string("\x88\xb5", 2), word);
}

}  // namespace

TEST_CASE("a guard looks before frames are handed over, and is replaced while they are") {
    Fd tap;
    const Fd place = test::NewNetworkNamespace([&] {
        tap = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK).value();
        ifreq request{};
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        std::string_view("tap0_cc").copy(request.ifr_name, IFNAMSIZ - 1);
        REQUIRE(::ioctl(tap.get(), TUNSETIFF, &request) == 0);
    });
    const Socket socket = test::SocketIn(place);
    test::MakeVeth(socket, "eth0", "far");
    const int eth0 = Raise(socket, "eth0"), far = Raise(socket, "far"),
              inside = Raise(socket, "tap0_cc");
    const Fd packets = Packets(place, far);
    REQUIRE(AddIngress(socket, inside));
    SenderRules rules = Rules();
    const auto guarded = Guard(socket, inside, GuardedWay::kIn, rules);
    REQUIRE_MESSAGE(guarded, guarded.error().message);
    REQUIRE(HandOver(socket, inside, eth0));
    CHECK(Arrived(tap, "", packets, Said(kOwn, "first"), Said(kOwn, "last")) == "first last");
    CHECK(Arrived(tap, "", packets, Said(kOther, "first"), Said(kOwn, "last")) == "last");
    // A tag that the kernel takes off is no way round.
    const std::string tagged = kAll + kOther + std::string("\x81\0\0\0\x88\xb5", 6) + "first";
    CHECK(Arrived(tap, "", packets, tagged + std::string(64, '\0'), Said(kOwn, "last")) == "last");
    rules.mac.back() = 3;
    CHECK(Guard(socket, inside, GuardedWay::kIn, rules));
    CHECK(Arrived(tap, "", packets, Said(kOwn, "first"), Said(kOther, "last")) == "last");
}

TEST_CASE("a guard looks at what leaves by a macvtap") {
    const Fd place = test::NewNetworkNamespace();
    const Socket socket = test::SocketIn(place);
    if (!KnowsMacvtap(socket)) {
        MESSAGE("SKIPPED: this kernel has no macvtap");
        return;
    }
    test::MakeVeth(socket, "eth0", "far");
    Raise(socket, "eth0");
    const Fd packets = Packets(place, Raise(socket, "far"));
    REQUIRE(AddMacvtap(socket, "tap15_cc", "eth0"));
    const auto taps = OpenMacvtap(place, "tap15_cc", 1);
    REQUIRE(taps);
    const int index = FindLink(socket, "tap15_cc")->index;
    for (int i = 0; i < 2; ++i) {
        const auto guarded = Guard(socket, index, GuardedWay::kOut, Rules());
        REQUIRE_MESSAGE(guarded, guarded.error().message);
    }
    const std::string header(10, '\0');  // virtio-net's
    const Fd& tap = taps->front();
    CHECK(Arrived(tap, header, packets, Said(kOwn, "first"), Said(kOwn, "last")) == "first last");
    CHECK(Arrived(tap, header, packets, Said(kOther, "first"), Said(kOwn, "last")) == "last");
}

// SPDX-License-Identifier: Apache-2.0
// A tap and a link joined: frames written to the tap's descriptor leave by the link, and what
// arrives at the link is read from the descriptor, though the link has addresses itself.
#include "netns/redirect.h"

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

#include "netns/apply.h"
#include "tests/unit/netns/namespace.h"

using namespace cc;
using namespace cc::netns;

namespace {

Fd MakeTap(const char* name) {
    auto tap = OpenFile("/dev/net/tun", O_RDWR | O_NONBLOCK);
    REQUIRE(tap);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::string_view(name).copy(request.ifr_name, IFNAMSIZ - 1);
    REQUIRE(::ioctl(tap->get(), TUNSETIFF, &request) == 0);
    return std::move(*tap);
}

int IndexOf(const Socket& socket, const char* name) {
    const auto link = FindLink(socket, name);
    REQUIRE(link);
    REQUIRE(ForbidOwnAddresses(socket, link->index));
    REQUIRE(SetUp(socket, link->index, true));
    return link->index;
}

// A broadcast frame of a protocol that nobody speaks, with a word in it.
std::string Frame(std::string_view word) {
    std::string frame(6, '\xff');
    frame += std::string("\x02\x00\x00\x00\x00\x01\x88\xb5", 8);
    frame += word;
    frame.resize(64, '\0');
    return frame;
}

// Whether a frame with that word comes within a second.
bool Arrives(int fd, std::string_view word) {
    for (int i = 0; i < 20; ++i) {
        pollfd poll{fd, POLLIN, 0};
        if (::poll(&poll, 1, 50) <= 0) continue;
        std::array<char, 2048> buffer{};
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count > 0 && std::string_view(buffer.data(), static_cast<size_t>(count)).find(word) !=
                             std::string_view::npos)
            return true;
    }
    return false;
}

Fd PacketSocket(int index) {
    Fd socket = Fd::Adopt(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    REQUIRE(socket);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return socket;
}

}  // namespace

TEST_CASE("frames go both ways between a tap and the link it is joined to") {
    Fd tap, packets;
    const Fd place = test::NewNetworkNamespace([&] { tap = MakeTap("tap0_cc"); });
    const Socket socket = test::SocketIn(place);
    test::MakeVeth(socket, "eth0", "other");
    const int eth0 = IndexOf(socket, "eth0"), other = IndexOf(socket, "other"),
              tap0 = IndexOf(socket, "tap0_cc");
    test::InNamespace(place, [&] { packets = PacketSocket(other); });
    auto joined = Redirect(socket, eth0, tap0);
    REQUIRE_MESSAGE(joined, joined.error().message);
    joined = Redirect(socket, tap0, eth0);
    REQUIRE_MESSAGE(joined, joined.error().message);

    const std::string out = Frame("to the world");
    REQUIRE(::write(tap.get(), out.data(), out.size()) == static_cast<ssize_t>(out.size()));
    CHECK(Arrives(packets.get(), "to the world"));
    const std::string in = Frame("to the guest");
    REQUIRE(::send(packets.get(), in.data(), in.size(), 0) == static_cast<ssize_t>(in.size()));
    CHECK(Arrives(tap.get(), "to the guest"));

    // Once more is no error, and the end of the tap leaves a link that can be used again.
    CHECK(Redirect(socket, eth0, tap0));
    tap.Reset();
    CHECK_FALSE(FindLink(socket, "tap0_cc"));
    CHECK(HasIngress(socket, eth0).value_or(false));
    CHECK(StopRedirecting(socket, eth0));
    CHECK_FALSE(HasIngress(socket, eth0).value_or(true));
    CHECK(StopRedirecting(socket, eth0));
}

// SPDX-License-Identifier: Apache-2.0
#include "netns/loopback.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/netns/namespace.h"

namespace cc {

namespace {

void RaiseLoopback() {
    const Fd socket = Fd::Adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    REQUIRE(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0);
}

Fd Connect(const char* address, uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    Fd socket = Fd::Adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) return {};
    return socket;
}

Fd Connect6(uint16_t port) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    Fd socket = Fd::Adopt(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) < 0) return {};
    return socket;
}

// Of a connection that has been caught; 0: there is none.
uint16_t Port(const Fd& listener) {
    const Fd caught = Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    sockaddr_in6 address{};
    socklen_t size = sizeof address;
    if (!caught || ::getsockname(caught.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0)
        return 0;
    return ntohs(address.sin6_port);  // at the same place in both families
}

}  // namespace

TEST_CASE(
    "connections to the loopback of a namespace are caught, at any port, while it is wanted") {
    const Fd space = test::NewNetworkNamespace(RaiseLoopback);
    auto caught = netns::CatchLoopback(space);
    REQUIRE_MESSAGE(caught, caught.error().message);
    test::InNamespace(space, [&] {
        const Fd one = Connect("127.0.0.1", 80);
        CHECK(one);
        CHECK(Port(caught->ipv4) == 80);
        const Fd other = Connect("127.0.0.1", 65535);
        CHECK(other);
        CHECK(Port(caught->ipv4) == 65535);
        CHECK(Port(caught->ipv4) == 0);
        if (caught->ipv6) {
            CHECK(Connect6(443));
            CHECK(Port(caught->ipv6) == 443);
        }
        // Docker's resolver, and whoever else has an address of his own.
        CHECK_FALSE(Connect("127.0.0.11", 53));
    });
    // In no other namespace.
    CHECK(Port(caught->ipv4) == 0);
    caught->link.Reset();
    test::InNamespace(space, [] { CHECK_FALSE(Connect("127.0.0.1", 80)); });
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/port_relay.h"

#include <array>
#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kPieceSize = 32 * 1024;

template <class Address>
Result<Fd> ConnectTo(const Address& address) {
    Fd socket = Fd::Adopt(::socket(reinterpret_cast<const sockaddr&>(address).sa_family,
                                   SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return FailErrno("connecting in the guest");
    return socket;
}

// One piece from here to there; false at the end of either.
bool Pass(int from, int to) {
    std::array<char, kPieceSize> piece;
    const ssize_t count = ::read(from, piece.data(), piece.size());
    return count > 0 && WriteAll(to, {piece.data(), static_cast<size_t>(count)}).has_value();
}

}  // namespace

Result<Fd> ConnectLoopback(uint16_t port) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    ipv6.sin6_addr = in6addr_loopback;
    auto connected = ConnectTo(ipv4);
    if (!connected)
        if (auto other = ConnectTo(ipv6)) return other;
    return Context(Cat("port ", port), std::move(connected));
}

void Relay(const Fd& connection) {
    // The host's side may go first.
    ::signal(SIGPIPE, SIG_IGN);
    // Each way by itself: while one is stuck the other goes on.
    const pid_t sender = ::fork();
    if (sender == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (Pass(STDIN_FILENO, connection.get()))
            continue;
        ::shutdown(connection.get(), SHUT_WR);
        ::_exit(0);
    }
    ::close(STDIN_FILENO);
    while (Pass(connection.get(), STDOUT_FILENO))
        continue;
    if (sender > 0) ::kill(sender, SIGKILL);
}

}  // namespace cc::agent

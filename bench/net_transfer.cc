// SPDX-License-Identifier: Apache-2.0
// What a TCP connection between two places carries, in the manner of iperf and netperf.
//
//   net-transfer serve PORT                    serves one connection after the other
//   net-transfer send ADDRESS PORT SECONDS     MiB a second that arrive there
//   net-transfer receive ADDRESS PORT SECONDS  MiB a second that arrive here
//   net-transfer ping ADDRESS PORT SECONDS     microseconds of a byte there and back: median, p99
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using cc::Fd;

constexpr double kMebibyte = 1 << 20;
std::array<char, 128 * 1024> buffer;

[[noreturn]] void Die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double SecondsSince(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

sockaddr_in Address(const char* host, const char* port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
    if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) Die("address");
    return address;
}

Fd Socket() {
    Fd fd = Fd::Adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) Die("socket");
    return fd;
}

void SetNoDelay(int fd) {
    const int on = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

uint64_t ReadToEnd(int fd) {
    uint64_t all = 0;
    for (ssize_t count = 0; (count = ::read(fd, buffer.data(), buffer.size())) > 0;)
        all += static_cast<uint64_t>(count);
    return all;
}

// The first byte says what the client wants, by its command's first letter.
void ServeOne(int fd) {
    char wish = 0;
    if (::read(fd, &wish, 1) != 1) return;
    SetNoDelay(fd);
    if (wish == 's') {
        const uint64_t all = ReadToEnd(fd);
        (void)::write(fd, &all, sizeof all);
    } else if (wish == 'r') {
        while (::write(fd, buffer.data(), buffer.size()) > 0)
            continue;
    } else {
        for (char byte = 0; ::read(fd, &byte, 1) == 1;)
            if (::write(fd, &byte, 1) != 1) return;
    }
}

[[noreturn]] void Serve(const char* port) {
    const Fd listener = Socket();
    const sockaddr_in address = Address("0.0.0.0", port);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(listener.get(), 8) < 0)
        Die("listening");
    while (true) {
        const Fd client = Fd::Adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) Die("accepting");
        ServeOne(client.get());
    }
}

void Send(int fd, double seconds) {
    const auto begin = Clock::now();
    while (SecondsSince(begin) < seconds)
        if (::write(fd, buffer.data(), buffer.size()) < 0) Die("sending");
    ::shutdown(fd, SHUT_WR);
    uint64_t all = 0;
    if (::read(fd, &all, sizeof all) != sizeof all) Die("hearing what arrived");
    std::printf("%.1f\n", static_cast<double>(all) / kMebibyte / SecondsSince(begin));
}

void Receive(int fd, double seconds) {
    const auto begin = Clock::now();
    double all = 0;
    while (SecondsSince(begin) < seconds) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count <= 0) Die("receiving");
        all += static_cast<double>(count);
    }
    std::printf("%.1f\n", all / kMebibyte / SecondsSince(begin));
}

void Ping(int fd, double seconds) {
    std::vector<double> trips;
    const auto begin = Clock::now();
    while (SecondsSince(begin) < seconds) {
        const auto sent = Clock::now();
        char byte = 'x';
        if (::write(fd, &byte, 1) != 1 || ::read(fd, &byte, 1) != 1) Die("a round trip");
        trips.push_back(SecondsSince(sent) * 1e6);
    }
    std::sort(trips.begin(), trips.end());
    std::printf("%.0f %.0f\n", trips[trips.size() / 2], trips[trips.size() * 99 / 100]);
}

// The other side may only just be coming up.
Fd Connect(const sockaddr_in& address) {
    constexpr double kPatience = 30;
    const auto begin = Clock::now();
    while (true) {
        Fd fd = Socket();
        if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return fd;
        if (SecondsSince(begin) > kPatience) Die("connecting");
        ::usleep(100'000);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command = argc > 1 ? argv[1] : "";
    std::signal(SIGPIPE, SIG_IGN);
    if (command == "serve" && argc == 3) Serve(argv[2]);
    const auto measure = command == "send"      ? Send
                         : command == "receive" ? Receive
                         : command == "ping"    ? Ping
                                                : nullptr;
    if (measure == nullptr || argc != 5) {
        std::fputs("usage: net-transfer serve PORT | send|receive|ping ADDRESS PORT SECONDS\n",
                   stderr);
        return 2;
    }
    const Fd fd = Connect(Address(argv[2], argv[3]));
    SetNoDelay(fd.get());
    if (::write(fd.get(), command.data(), 1) != 1) Die("asking");
    measure(fd.get(), std::atof(argv[4]));
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A syslog daemon's end of its socket.
#pragma once

#include <array>
#include <cstring>
#include <string>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

namespace cc::test {

inline Fd ListenDatagrams(const std::string& path) {
    Fd fd = Fd::Adopt(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

// The next message; "" when none comes for 20 s.
inline std::string ReceiveDatagram(const Fd& fd) {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) != 1) return "";
    std::array<char, 65536> bytes{};
    const ssize_t count = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
    return count < 0 ? "" : std::string(bytes.data(), static_cast<size_t>(count));
}

}  // namespace cc::test

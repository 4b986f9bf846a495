// SPDX-License-Identifier: Apache-2.0
#include "netns/monitor.h"

#include <array>
#include <cerrno>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace cc::netns {

Result<Monitor> Monitor::Watch(Socket socket) {
    CC_TRY(Check(nl_socket_add_memberships(socket.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                           RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                           RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH, RTNLGRP_NONE),
                 "asking to be told of changes in a network namespace"));
    return Monitor(std::move(socket));
}

int Monitor::fd() const {
    return nl_socket_get_fd(socket_.get());
}

Result<void> Monitor::Drain() const {
    std::array<char, 16 * 1024> buffer{};
    while (true) {
        const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count > 0) continue;
        if (count < 0 && errno == EAGAIN) return {};
        // More happened than the socket could hold: all the more reason to look.
        if (count < 0 && (errno == ENOBUFS || errno == EINTR)) continue;
        return FailErrno("hearing of changes in a network namespace");
    }
}

}  // namespace cc::netns

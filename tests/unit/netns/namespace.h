// SPDX-License-Identifier: Apache-2.0
// Network namespaces of a test's own, reached through their sockets.
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netlink/route/link/veth.h>
#include <sched.h>

#include "base/fd.h"
#include "netns/socket.h"

namespace cc::test {

// `in` runs in a thread that is in the new namespace; what it leaves open keeps that alive.
inline Fd NewNetworkNamespace(const std::function<void()>& in = [] {}) {
    Fd made;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) < 0) return;
        if (auto fd = OpenFile("/proc/thread-self/ns/net", O_RDONLY)) made = std::move(*fd);
        in();
    }).join();
    REQUIRE_MESSAGE(made, "a network namespace; these tests need root");
    return made;
}

inline void InNamespace(const Fd& network_namespace, const std::function<void()>& what) {
    std::thread([&] {
        if (::setns(network_namespace.get(), CLONE_NEWNET) == 0) what();
    }).join();
}

inline netns::Socket SocketIn(const Fd& network_namespace) {
    auto socket = netns::Socket::OpenIn(network_namespace);
    REQUIRE(socket);
    return std::move(*socket);
}

inline void MakeVeth(const netns::Socket& socket, const char* name, const char* peer_name) {
    const netns::LinkPtr link(rtnl_link_veth_alloc());
    rtnl_link_set_name(link.get(), name);
    const netns::LinkPtr peer(rtnl_link_veth_get_peer(link.get()));
    rtnl_link_set_name(peer.get(), peer_name);
    REQUIRE(rtnl_link_add(socket.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL) == 0);
}

}  // namespace cc::test

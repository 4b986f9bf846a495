// SPDX-License-Identifier: Apache-2.0
// A network namespace, made what a Network says.
#pragma once

#include "netns/socket.h"
#include "protocol/network.h"

namespace cc::netns {

// The links are there; each becomes what is told (found as NetworkLink::device says), then come
// routes and neighbours. Nothing waits: addresses are used at once, without asking whether anybody
// else has them. What is there already stays. A link that is up is taken to have no addresses of
// its own making.
Result<void> ApplyNetwork(const Socket& socket, const Network& network);
// Its parts, for hosts of 3.0.
Result<void> ApplyLink(const Socket& socket, const NetworkLink& link);
Result<void> ApplyRoute(const Socket& socket, const NetworkRoute& route);

// Takes a link down, with its addresses and routes; no error when it is not there.
Result<void> ClearLink(const Socket& socket, const std::string& name);
// Takes only its addresses, and the routes that need them.
Result<void> ClearAddresses(const Socket& socket, const std::string& name);

// No IPv6 address of its own making. Links without IPv6 are left alone.
Result<void> ForbidOwnAddresses(const Socket& socket, int index);
Result<void> SetUp(const Socket& socket, int index, bool up);

}  // namespace cc::netns

// SPDX-License-Identifier: Apache-2.0
// A network namespace, read.
#pragma once

#include "netns/socket.h"
#include "protocol/network.h"

namespace cc::netns {

// The links but loopback, with their addresses; of those links the routes of the main table and
// the static neighbours. In the kernel's order.
Result<Network> ReadNetwork(const Socket& socket);

}  // namespace cc::netns

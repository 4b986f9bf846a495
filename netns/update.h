// SPDX-License-Identifier: Apache-2.0
// A network namespace that was made what one Network says becomes what another says.
#pragma once

#include "netns/socket.h"
#include "protocol/network.h"

namespace cc::netns {

// Every link of `wanted` is there, and `device` is the address that it has now; one of `was` that
// stays has the same there. What `was` has and `wanted` has not is removed, unless it has gone
// already; what is in neither stays. Links of `was` that are not wanted are left alone: their
// routes go, their addresses stay.
Result<void> UpdateNetwork(const Socket& socket, const Network& was, const Network& wanted);

// A name that no other link has, of a device with this MAC address.
std::string NeutralName(const std::string& mac);

}  // namespace cc::netns

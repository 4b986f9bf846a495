// SPDX-License-Identifier: Apache-2.0
// A macvtap: a link above another, that a descriptor reads and writes the frames of.
#pragma once

#include <string>
#include <vector>

#include "netns/socket.h"

namespace cc::netns {

// Makes it above the link `below`, up, in the mode "passthru": it has the address of that link and
// whatever arrives there for somebody; what is for all arrives at both. Its MTU is that link's.
Result<void> AddMacvtap(const Socket& socket, const std::string& name, const std::string& below);
// Opens it, also where /dev does not have it, or has another namespace's in its place. Each
// descriptor is a queue of it.
Result<std::vector<Fd>> OpenMacvtap(const Fd& network_namespace, const std::string& name,
                                    int queues);

// Whether this kernel knows macvtaps. Makes none.
bool KnowsMacvtap(const Socket& socket);
// Whether one can be put above the link. One above a macvlan is in truth one above the host's link
// below that, and ipvlan shares its link's address.
Result<bool> CanCarryMacvtap(const Socket& socket, const std::string& link);

}  // namespace cc::netns

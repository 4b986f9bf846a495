// SPDX-License-Identifier: Apache-2.0
// Links joined by a Linux bridge, of which the namespace that they are in has no part.
#pragma once

#include <string>
#include <vector>

#include "netns/socket.h"

namespace cc::netns {

// Makes the bridge `name` with these links as its ports, in place of one that is there. It floods
// and learns nothing, so that no guest can fill its tables; frames to the links' own addresses go
// through it, too, though links keep their addresses; and nobody answers at the bridge itself.
// EBUSY, EOPNOTSUPP: a link, or the kernel, that cannot do that. After a failure there is no
// bridge.
Result<void> Bridge(const Socket& socket, const std::string& name, const std::vector<int>& ports);

}  // namespace cc::netns

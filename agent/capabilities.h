// SPDX-License-Identifier: Apache-2.0
// Linux capabilities as bit sets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// Bit n is capability n of linux/capability.h.
struct CapabilitySets {
    uint64_t bounding = 0;
    uint64_t effective = 0;
    uint64_t inheritable = 0;
    uint64_t permitted = 0;
    uint64_t ambient = 0;
    bool operator==(const CapabilitySets&) const = default;
};

// "CAP_NET_ADMIN" or "net_admin", in any case. A name this build does not know is left out with a
// warning, as a kernel that does not know it could not grant it either.
uint64_t ParseCapabilities(const std::vector<std::string>& names);
// What Docker gives a container by default; 3.0's agent gave it to containers that name none.
CapabilitySets DefaultCapabilities();

// The calling process' bounding set is reduced at once. The other sets are set by SetCapabilities,
// after the change of user, over which KeepCapabilities keeps the permitted set.
Result<void> LimitBounding(uint64_t bounding);
Result<void> KeepCapabilities();
Result<void> SetCapabilities(const CapabilitySets& sets);
// Everything that is permitted becomes effective.
Result<void> RaisePermittedCapabilities();

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Shares of a processor, as version 1 of cgroups and OCI configurations count them, as the weight
// of version 2.
#pragma once

#include <cstdint>

namespace cc {

// 2 .. 262144 shares as 1 .. 10000 of weight, with the default of the one (1024) at the default of
// the other (100).
int64_t WeightOfShares(int64_t shares);

}  // namespace cc

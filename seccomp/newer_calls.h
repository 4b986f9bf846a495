// SPDX-License-Identifier: Apache-2.0
// System calls that are newer than a filter. A C library tries a new call and falls back to an old
// one when it hears ENOSYS; a filter that answers EPERM to whatever it does not name breaks that.
// So a call with a higher number than any that the filter names is answered as a kernel without it
// would. Beside them, calls of the x32 kind, whose numbers have a bit of their own.
#pragma once

#include <cstdint>
#include <vector>

#include <linux/filter.h>

namespace cc {

constexpr uint32_t kX32Bit = 0x40000000;

// To be put in front of the filter, which sees all other calls. `architecture`: AUDIT_ARCH_...
std::vector<sock_filter> RefuseCallsAbove(uint32_t last, uint32_t architecture);
// The same for x32 calls, as a kernel answers that has none.
std::vector<sock_filter> RefuseX32Calls();

}  // namespace cc

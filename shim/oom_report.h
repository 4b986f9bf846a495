// SPDX-License-Identifier: Apache-2.0
// Engines learn that a container ran out of memory from the memory cgroup of the pid that they were
// given: the shim's. What runs out is the guest's memory, which that cgroup does not see. So the
// shim has the same happen there, in the small, before it ends.
#pragma once

#include <string>

#include "base/result.h"

namespace cc::shim {

// `cgroup`: the directory of the memory cgroup (version 1 or 2) that this process is in. Its limit
// is lowered to just above what is in use, a child that the kernel prefers to kill takes more, and
// the limit is put back. Takes at most 16 MiB and 1 s, no process but the child is in danger, and
// without a limit nothing is done: then the guest's word for it is not believed.
Result<void> ReportOutOfMemory(const std::string& cgroup);

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
// Limits and priorities that only a privileged process of the VM may give.
#pragma once

#include <sys/types.h>

#include "agent/spec.h"

namespace cc::agent {

// To the process `pid` of the caller's pid namespace; 0: to the caller.
Result<void> SetLimits(pid_t pid, const std::vector<Rlimit>& limits);
Result<void> SetPriorities(pid_t pid, const ProcessSpec& process);

}  // namespace cc::agent

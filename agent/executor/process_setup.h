// SPDX-License-Identifier: Apache-2.0
// The last part of starting a process, the same for a container's first one and for those that join
// it: from being root in the container's namespaces to execve(2).
#pragma once

#include "agent/spec.h"

namespace cc::agent {

// Called in the child, inside the container, with standard streams in place. Returns only with an
// error. `about_to_exec` is called when all that is left is execve.
Result<void> BecomeProcess(const ProcessSpec& process, const std::optional<SeccompSpec>& seccomp,
                           const std::string& keyring, void (*about_to_exec)());

}  // namespace cc::agent

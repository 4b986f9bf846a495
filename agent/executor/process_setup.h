// SPDX-License-Identifier: Apache-2.0
// The last part of starting a process, the same for a container's first one and for those that join
// it: from being root in the container's namespaces to execve(2).
#pragma once

#include "agent/executor/seccomp.h"
#include "agent/spec.h"

namespace cc::agent {

// Called in the child, inside the container, with standard streams in place. Returns only with an
// error. `about_to_exec` is called when what is left is a system call filter and execve.
Result<void> BecomeProcess(const ContainerSpec& container, const ProcessSpec& process,
                           const SeccompFilter& filter, void (*about_to_exec)());

// Pipes belong to root; a process of another user must still be able to open /dev/stdout.
Result<void> GiveStreams(uint32_t uid);

}  // namespace cc::agent

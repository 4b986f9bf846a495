// SPDX-License-Identifier: Apache-2.0
// The last part of starting a process, the same for a container's first one and for those that join
// it: from being root in the container's namespaces to execve(2).
#pragma once

#include <functional>
#include <string>

#include "agent/spec.h"

namespace cc::agent {

struct ExecSteps {
    // Null, or what is to be done once program and directory are known to be there, and while the
    // process still has all privileges and no seccomp filter.
    std::function<Result<void>()> prepared;
    std::function<void()> about_to_exec;  // what is left is a system call filter and execve
};

// Called in the child, inside the container, with standard streams in place. Returns only with an
// error.
Result<void> BecomeProcess(const ContainerSpec& container, const ProcessSpec& process,
                           const ExecSteps& steps);

// The session keyring of that name, a new one for a new container: keys of the agent or of another
// container must not be found through an inherited one.
Result<void> JoinKeyring(const std::string& name);

// Pipes belong to root; a process of another user must still be able to open /dev/stdout.
Result<void> GiveStreams(uint32_t uid);

}  // namespace cc::agent

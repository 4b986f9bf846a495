// SPDX-License-Identifier: Apache-2.0
// Shims of processes that join a container that runs.
#pragma once

#include <string>
#include <vector>

#include "runtime/sandbox/shim_process.h"
#include "runtime/state/store.h"

namespace cc::runtime {

struct ExecShimOptions {
    std::string executable;  // empty: this program
    std::vector<std::string> title;
    bool terminal = false;
    int console = -1;  // as of ShimOptions
    bool debug = false;
};

// In the container's network namespace, but in the VM's cgroup: the container's may have room for
// one shim only.
Result<Shim> ForkExecShim(const ContainerRecord& container, const SandboxRecord& sandbox,
                          const ExecShimOptions& how);

// Sends the agent this EXECCMD for the shim, and the shim on its way. An agent with less than this
// extension would not do all of it and is not asked.
Result<void> StartInGuest(const SandboxRecord& sandbox, const std::string& message, Shim& shim,
                          int extension = 0);

}  // namespace cc::runtime

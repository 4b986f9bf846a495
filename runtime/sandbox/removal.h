// SPDX-License-Identifier: Apache-2.0
// Taking a container away with all that belongs to it. Any part of it may be dead or gone already.
#pragma once

#include <string_view>

#include "runtime/state/store.h"

namespace cc::runtime {

struct RemovalOptions {
    // Of a sandbox's own container: even when others in the sandbox have not stopped.
    bool force = false;
    // For tests: the step after which this process is killed.
    std::string_view kill_after;
};

// The caller holds the container's lock. Returns when its shim is gone and its state is removed.
//
// A container that joined a sandbox leaves the VM to the others. With the sandbox's own container
// the VM ends and the others stop; what is then left of the sandbox goes with the last of them.
Result<void> RemoveContainer(const Store& store, const ContainerRecord& container,
                             const RemovalOptions& options = {});

// The steps that can be named there.
inline constexpr std::string_view kRemovalSteps[] = {"guest",  "shim",  "vm",
                                                     "cgroup", "hooks", "sandbox"};

// The lock of a container that shall go whatever else is done with it. Whoever holds it for more
// than a moment may wait for a guest that hangs: the VM of such a container is killed, which ends
// the wait.
Result<FileLock> LockToRemove(const Store& store, const std::string& id);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The hooks that run on the host: all but startContainer, which the agent runs in the guest.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// The container's state as hooks get it on standard input. `pid` 0: left out.
std::string HookState(const ContainerRecord& container, Status status, pid_t pid);
// The process's pid in its own pid namespace, for hooks that run there.
constexpr pid_t kFirstPid = 1;

inline constexpr std::string_view kPrestart = "prestart", kCreateRuntime = "createRuntime";
inline constexpr std::string_view kCreateContainer = "createContainer";
Result<bool> HasHooks(const Json& configuration, std::string_view stage);

// Whether the guest may be made while the hooks before the start run: they are Docker's, which
// makes the network and nothing else, and no setting of the container's needs a link to be there.
Result<bool> CanRunBeside(const Json& configuration);

// Runs the hooks of a stage, one after another, from the bundle's directory. The first failure ends
// it and is the error, which names the hook. Those of createContainer are in the container's
// network namespace on the host, and in the mount namespace `mounts` (-1: in ours).
Result<void> RunHooks(const Json& configuration, std::string_view stage,
                      const ContainerRecord& container, Status status, int mounts = -1);

// The same where a failure must not stop what has begun: it is a warning, on standard error and in
// the log, and the next hook runs.
void RunHooksAnyway(const Json& configuration, std::string_view stage,
                    const ContainerRecord& container, Status status);

}  // namespace cc::runtime

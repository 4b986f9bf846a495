// SPDX-License-Identifier: Apache-2.0
// Taking a container away with all that belongs to it. Any part of it may be dead or gone already.
#pragma once

#include <string_view>

#include "runtime/state/store.h"

namespace cc::runtime {

// The caller holds the container's lock. Returns when shim, VM and keeper are gone and the state is
// removed. `kill_after`, for tests: the step after which this process is killed.
Result<void> RemoveContainer(const Store& store, const ContainerRecord& container,
                             std::string_view kill_after = "");

// The steps that can be named there.
inline constexpr std::string_view kRemovalSteps[] = {"guest",  "shim",  "vm",
                                                     "cgroup", "hooks", "sandbox"};

}  // namespace cc::runtime

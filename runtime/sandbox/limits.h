// SPDX-License-Identifier: Apache-2.0
// What linux.resources means on the host. Two cgroups are concerned: the container's, which holds
// its shim and is what engines read, and the one of the VM beside it.
#pragma once

#include <string>
#include <vector>

#include "runtime/sandbox/cgroup_values.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Into the container's cgroup go all values as given, so that they read back. Only a memory limit
// below what the shim itself needs is raised to that, with a warning in the log.
Result<void> LimitShim(const ContainerRecord& container, const std::vector<CgroupValue>& values);

// Into the VM's go those for processors, memory nodes and block devices; of memory only that the VM
// takes no more than `memory` bytes (0: no limit). Nothing limits its number of threads.
Result<void> LimitVm(const SandboxRecord& sandbox, const std::vector<CgroupValue>& values,
                     int64_t memory);

// The one of these leaves that holds the memory limit of a container's cgroup; empty: none does.
std::string MemoryLeaf(const std::vector<std::string>& leaves);

// Both, for a container that exists: `update`. `sandbox`: whose VM it has to itself, or null. What
// the VM may take of memory stays.
Result<void> ApplyResources(const ContainerRecord& container, const SandboxRecord* sandbox,
                            const Json& resources);

// Writes a list of values into the leaves that have a file for them. What no leaf can hold is a
// warning in the log, because a host without a controller cannot do better.
Result<void> WriteValues(const std::vector<std::string>& leaves,
                         const std::vector<CgroupValue>& values);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// What linux.resources means on the host. Two cgroups are concerned: the container's, which holds
// its shim and is what engines read, and the VM's (vm_cgroup.h). `writes` keeps what their files
// held, for the callers who may have to take the limits back.
#pragma once

#include <string>
#include <vector>

#include "base/cgroup_writes.h"
#include "runtime/sandbox/cgroup_values.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Into the container's cgroup go all values as given, so that they read back. Only a memory limit
// below what the shim itself needs is raised to that, with a warning in the log.
Result<void> LimitShim(const ContainerRecord& container, const std::vector<CgroupValue>& values,
                       CgroupWrites& writes);

// Whether a value is for the VM, too: processors, memory nodes and block devices.
bool ConcernsVm(const CgroupValue& value);

// Into the VM's go those, where it does not have them by lying in the container's; of memory only
// that the VM takes no more than `memory` bytes (0: no limit). Nothing limits its number of
// threads.
Result<void> LimitVm(const SandboxRecord& sandbox, const std::vector<CgroupValue>& values,
                     int64_t memory, CgroupWrites& writes);

// What the VM's cgroup lets it take of memory, in bytes; 0: no limit.
int64_t VmMemoryLimit(const SandboxRecord& sandbox);

// The one of these leaves that holds the memory limit of a container's cgroup; empty: none does.
std::string MemoryLeaf(const std::vector<std::string>& leaves);

// Both, for a container that exists: `update`. `sandbox`: whose VM it has to itself, or null. What
// the VM may take of memory stays. Where the VM is in the container's cgroup, new limits on memory
// and processes are the guest's alone.
Result<void> ApplyResources(const ContainerRecord& container, const SandboxRecord* sandbox,
                            const Json& resources, CgroupWrites& writes);
// After `tried` was refused, here or elsewhere: as it was when the resources were `before`.
void TakeBackResources(const ContainerRecord& container, const SandboxRecord* sandbox,
                       const Json& before, const Json& tried, CgroupWrites& writes);
// `before` as values, and the defaults of version 2 for what only `tried` names. For systemd, which
// keeps what it was told and cannot be asked in the same words.
std::vector<CgroupValue> ValuesBefore(const Json& before, const Json& tried);

// Writes a list of values into the leaves that have a file for them. What no leaf can hold is a
// warning in the log, because a host without a controller cannot do better.
Result<void> WriteValues(const std::vector<std::string>& leaves,
                         const std::vector<CgroupValue>& values, CgroupWrites& writes);

}  // namespace cc::runtime

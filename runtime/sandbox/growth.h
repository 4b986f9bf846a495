// SPDX-License-Identifier: Apache-2.0
// How large a sandbox's virtual machine has to be for what its container may take, and making one
// that runs larger.
#pragma once

#include <optional>
#include <vector>

#include "protocol/vm_verbs.h"
#include "runtime/config.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// What a container, or all of a pod, may take; 0 or less: no limit.
struct Limits {
    int64_t memory = 0;     // bytes
    int64_t millicpus = 0;  // thousandths of a processor's time
    // Of several containers: one of them at least has no limit of memory.
    bool open_memory = false;
};
Limits LimitsOf(const Json& resources);
// What containers of one VM may take together. `told`: what the engine has said of all of them
// beforehand; where it is more, it counts.
Limits Together(const std::vector<Limits>& containers, const Limits& told);

struct HostSize {
    int64_t memory_mib = 0;
    int64_t cpus = 0;
};
HostSize ReadHostSize();

struct VmSize {
    int64_t memory_mib = 0;
    int64_t cpus = 0;
};
// What the configuration says, or more: memory for the limit and the guest's kernel, in the pieces
// that can be plugged into a clone; as many processors as the limit can keep busy. Containers
// without a limit of memory have what the configuration says, beside the limits of others. Never
// more than the host has.
VmSize PlanVmSize(const RuntimeConfig& config, const Limits& limits, const HostSize& host);

// What a VM of that size may take on the host in all, for its cgroup: no more of its memory than
// containers with these limits and the guest's kernel can use.
int64_t HostMemoryOf(const RuntimeConfig& config, const Limits& limits, int64_t memory_mib,
                     bool emulated);

// From one size to another, where that is larger.
VmGrowth GrowthBetween(const VmSize& from, const VmSize& to);

// Makes the VM of this sandbox as large as its containers' limits need.
Result<void> GrowVm(const RuntimeConfig& config, const SandboxRecord& sandbox,
                    const Limits& limits);
// The same as far as it goes: a warning in the log says what is missing. Returns the size that the
// VM has grown to; nothing: it has not grown.
std::optional<VmSize> GrowVmIfPossible(const RuntimeConfig& config, const SandboxRecord& sandbox,
                                       const Limits& limits);

// Where the VM's cgroup has a memory limit, raises it to what containers with these limits need. It
// is never lowered: the VM may have taken it.
Result<void> RaiseVmMemory(const RuntimeConfig& config, const SandboxRecord& sandbox,
                           const Limits& limits);

}  // namespace cc::runtime

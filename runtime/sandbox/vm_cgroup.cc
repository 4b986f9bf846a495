// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/vm_cgroup.h"

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace cc::runtime {

namespace {

// QEMU has about ten threads, and up to 64 more for its disks; each exec has a shim. Podman gives
// every container a limit of 2048.
constexpr int64_t kRoomForThreads = 1024;

// Whether the VM would feel the container's limits on memory or on the number of processes.
bool Strangles(const CgroupValue& value) {
    if (value.v2_text == "max") return false;
    if (value.v2_file == "memory.max" || value.v2_file == "memory.high") return true;
    if (value.v2_file != "pids.max") return false;
    const auto number = ParseNumber<int64_t>(value.v2_text);
    return !number || *number < kRoomForThreads;
}

bool StranglesMemory(const CgroupValue& value) {
    return value.v2_file.starts_with("memory.") && Strangles(value);
}

// Version 1: what counts is below, what limits is where the limit is right. A set of processors
// stays beside, because those of a cgroup cannot become fewer than those of one below it.
bool BelowInV1(const CgroupHierarchy& hierarchy, bool memory_limited) {
    const auto has = [&](std::string_view name) { return hierarchy.Has(name); };
    if (has("pids") || has("cpuset")) return false;
    if (has("memory")) return !memory_limited;
    return has("cpu") || has("cpuacct") || has("blkio");
}

}  // namespace

std::vector<std::string> VmCgroup::Leaves() const {
    auto leaves = below.Leaves();
    for (auto& leaf : beside.Leaves())
        leaves.push_back(std::move(leaf));
    return leaves;
}

std::vector<std::string> VmCgroup::Missing() const {
    auto missing = scope.unit.empty() ? MissingDirectories(beside) : MissingBesideScope(beside);
    for (auto& leaf : below.Leaves())  // what is above them is the container's
        missing.push_back(std::move(leaf));
    return missing;
}

VmCgroup PlanPodCgroup(const CgroupPlan& container, const ScopePlan& scope,
                       const std::string& name) {
    VmCgroup cgroup;
    cgroup.scope = ScopeBeside(scope, name);
    cgroup.beside = PlanBeside(container, scope.unit.empty() ? name : cgroup.scope.unit);
    return cgroup;
}

VmCgroup PlanVmCgroup(const CgroupPlan& container, const ScopePlan& scope, const std::string& name,
                      const std::vector<CgroupValue>& limits) {
    const bool memory = std::any_of(limits.begin(), limits.end(), StranglesMemory);
    const bool any = std::any_of(limits.begin(), limits.end(), Strangles);
    const auto is_below = [&](const CgroupHierarchy& hierarchy) {
        return hierarchy.unified ? !any : BelowInV1(hierarchy, memory);
    };
    const auto& all = container.hierarchies;
    VmCgroup cgroup = PlanPodCgroup(container, scope, name);
    // A process has one scope in all hierarchies, so with systemd it is all or nothing.
    const bool whole = !all.empty() && std::all_of(all.begin(), all.end(), is_below);
    if (!scope.unit.empty() && !whole) return cgroup;
    cgroup.below = PlanBelow(container, name);
    std::erase_if(cgroup.below.hierarchies, std::not_fn(is_below));
    std::erase_if(cgroup.beside.hierarchies, is_below);
    if (whole) cgroup.scope = {};
    return cgroup;
}

Result<void> MakeVmCgroup(const VmCgroup& cgroup, const std::vector<std::string>& controllers) {
    // Of version 2, none is passed on to what is below a cgroup with a process.
    CC_TRY(MakeCgroup(cgroup.below));
    return cgroup.scope.unit.empty() ? MakeCgroup(cgroup.beside, controllers) : Result<void>();
}

Result<void> EnterVmCgroup(const VmCgroup& cgroup, pid_t pid) {
    if (cgroup.scope.unit.empty()) return JoinCgroups(cgroup.Leaves(), pid);
    return EnterScope(cgroup.scope, cgroup.beside, pid);
}

}  // namespace cc::runtime

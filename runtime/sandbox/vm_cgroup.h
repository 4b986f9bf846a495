// SPDX-License-Identifier: Apache-2.0
// Where on the host the VM of a container lies: keeper, VMM and the shims of exec. Engines show
// what the container's cgroup has used (docker stats), so the VM is below that one wherever the
// limits of the container would not strangle it: its memory is more than the guest's container may
// have, its threads are no processes of the container. There it lies beside.
#pragma once

#include <string>
#include <vector>

#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/cgroup_values.h"
#include "runtime/sandbox/scope.h"

namespace cc::runtime {

struct VmCgroup {
    CgroupPlan below;   // the hierarchies where it is in the container's
    CgroupPlan beside;  // the others
    ScopePlan scope;    // of systemd, for `beside`; empty: directories that we make

    std::vector<std::string> Leaves() const;
    // What is to be removed after the VM, outermost first. Asked before it is made.
    std::vector<std::string> Missing() const;
};

// `limits`: the container's. A machine of a pod lies beside its first container everywhere, because
// it is not that one's alone: PlanPodCgroup. `name` is that of the directory.
VmCgroup PlanVmCgroup(const CgroupPlan& container, const ScopePlan& scope, const std::string& name,
                      const std::vector<CgroupValue>& limits);
VmCgroup PlanPodCgroup(const CgroupPlan& container, const ScopePlan& scope,
                       const std::string& name);

// When the container's is there and has its shim. A scope begins with its first process.
Result<void> MakeVmCgroup(const VmCgroup& cgroup, const std::vector<std::string>& controllers);
// `pid` 0: the calling process. The first one makes a scope; others join its leaves.
Result<void> EnterVmCgroup(const VmCgroup& cgroup, pid_t pid);

}  // namespace cc::runtime

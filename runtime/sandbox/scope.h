// SPDX-License-Identifier: Apache-2.0
// --systemd-cgroup: the container's cgroup, and the VM's beside it, are scopes of systemd. Then
// linux.cgroupsPath does not name a directory but "slice:prefix:name".
#pragma once

#include <string>
#include <vector>

#include "protocol/dbus.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/cgroup_values.h"

namespace cc::runtime {

struct ScopePlan {
    std::string unit;   // "libpod-web.scope"; empty: cgroups are directories that we make
    std::string slice;  // "machine.slice"
    std::string path;   // where systemd puts it: "machine.slice/libpod-web.scope"
};
// An empty path is "system.slice:cc-runtime:<container id>".
Result<ScopePlan> PlanScope(const std::string& cgroups_path, const std::string& container_id);
// One of the name `name` in the same slice; none beside none.
ScopePlan ScopeBeside(const ScopePlan& plan, const std::string& name);

// Whether there is a systemd to ask; the error says what to do.
Result<void> CheckSystemd();
// Makes the scope with this process in it (0: the calling one), which is put into the same cgroup
// of the hierarchies, too, that systemd leaves alone. `cgroup` is the plan for the scope's path.
Result<void> EnterScope(const ScopePlan& scope, const CgroupPlan& cgroup, pid_t pid);
// What of a plan is left to be removed when its scope is gone.
std::vector<std::string> MissingBesideScope(const CgroupPlan& plan);
// What systemd has a name for, so that it keeps to it when it writes the cgroup's files itself.
Result<void> LimitScope(const std::string& unit, const std::vector<CgroupValue>& values);
std::vector<DbusProperty> ScopePropertiesOf(const std::vector<CgroupValue>& values);
// None, and one that has ended, is success.
Result<void> EndScope(const std::string& unit);

}  // namespace cc::runtime

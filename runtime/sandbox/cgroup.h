// SPDX-License-Identifier: Apache-2.0
// The container's cgroup on the host (linux.cgroupsPath): where engines look for its processes. A
// directory of that name in every mounted hierarchy, v1 and v2; only what we made is ever removed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace cc::runtime {

struct CgroupHierarchy {
    std::string mount_point;
    std::vector<std::string> controllers;  // of v1: "cpu", "cpuacct" ...
    bool unified = false;                  // v2
    bool systemd = false;                  // where it runs, systemd makes and removes what is in it

    bool Has(std::string_view controller) const;
};

// From the text of /proc/self/mountinfo: each hierarchy once, read-only ones left out.
std::vector<CgroupHierarchy> ParseHierarchies(std::string_view mountinfo);

struct CgroupPlan {
    std::vector<CgroupHierarchy> hierarchies;
    std::string path;  // "a/b", below each mount point; empty: no cgroup was asked for
    std::vector<std::string> Leaves() const;
};
// `cgroups_path` as in config.json, absolute or relative; "." and ".." in it are refused.
Result<CgroupPlan> PlanCgroup(std::string_view mountinfo, std::string_view cgroups_path);

// One of the name `leaf` in the same directory, and one below it.
CgroupPlan PlanBeside(const CgroupPlan& plan, const std::string& leaf);
CgroupPlan PlanBelow(const CgroupPlan& plan, const std::string& leaf);

// The directories that MakeCgroup will have to make, outermost first.
std::vector<std::string> MissingDirectories(const CgroupPlan& plan);
// `controllers` ("memory", "cpu" ...) of v2 are turned on for the leaf, where the host lets us.
Result<void> MakeCgroup(const CgroupPlan& plan, const std::vector<std::string>& controllers = {});
// Moves a process (0: the calling one) with its threads.
Result<void> JoinCgroups(const std::vector<std::string>& leaves, pid_t pid);
// Innermost first. Waits a moment for processes that are still on their way out; leaves alone what
// others use.
void RemoveCgroups(const std::vector<std::string>& created);

}  // namespace cc::runtime

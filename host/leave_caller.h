// SPDX-License-Identifier: Apache-2.0
// A daemon that a client started on demand (cc-proxy, the keeper of a template) serves everybody
// from then on, so it must not stay what its caller happened to be: not in its session, cgroups,
// namespaces, working directory, not at its priority, not with its descriptors and environment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

// Call it before there are threads, loops or logs. Of the descriptors above 2 only `keep` stays
// (-1: none); 0, 1 and 2 become /dev/null. `directory` is the socket's and exists: the mount
// namespace is left only if it is the same directory outside.
// What could not be left is no reason not to serve: it is returned as lines for the log.
std::vector<std::string> LeaveCaller(const std::string& directory, int keep);

// The cgroup.procs files of the hierarchies' roots that a process is to write itself into, by the
// texts of /proc/self/cgroup and /proc/self/mountinfo. Hierarchies whose root it is in already, and
// those that are not mounted, are left out.
std::vector<std::string> CgroupRootsToEnter(std::string_view cgroup, std::string_view mountinfo);

}  // namespace cc

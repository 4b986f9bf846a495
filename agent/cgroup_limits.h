// SPDX-License-Identifier: Apache-2.0
// The limits of an OCI configuration as files of the unified cgroup hierarchy.
#pragma once

#include <string>
#include <vector>

#include "agent/resources.h"
#include "base/cgroup_writes.h"
#include "base/result.h"

namespace cc::agent {

struct CgroupSetting {
    std::string file;
    std::string value;
    // Where the kernel has no such file there is nothing to limit either: no swap, no huge pages.
    bool idle_without_file = false;
    bool operator==(const CgroupSetting&) const = default;
};

// In the order in which they are to be written. What contradicts itself is an error.
Result<std::vector<CgroupSetting>> CgroupSettings(const ResourceSpec& resources);
// Writes them to the cgroup at `path`, up to the first that fails. A file that is missing is an
// error that names it.
Result<void> ApplyLimits(const std::string& path, const ResourceSpec& resources,
                         CgroupWrites& writes);

}  // namespace cc::agent

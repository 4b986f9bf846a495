// SPDX-License-Identifier: Apache-2.0
// What a container uses, in the form of runc's events: as runc fills it in from a cgroup of version
// 2, which is what the guest has.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/container_control.h"

namespace cc::runtime {

// {"type":"stats","id":...,"data":{...}} in one line. Files that are missing, or not in the
// kernel's form, count as zeros: they come from the guest and are not believed to be more than
// numbers.
std::string StatsEvent(const std::string& id, const CgroupFiles& cgroup);

// {"type":"oom","id":...}
std::string OomEvent(const std::string& id);
// How many processes were killed because memory ran out.
uint64_t OomKills(const CgroupFiles& cgroup);

}  // namespace cc::runtime

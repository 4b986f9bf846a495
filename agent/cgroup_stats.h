// SPDX-License-Identifier: Apache-2.0
// What a cgroup has used and may use, as the kernel tells it.
#pragma once

#include <string>

#include "protocol/container_control.h"

namespace cc::agent {

// The files of the cgroup at `path` that CONTAINERSTATS answers with; those that are missing are
// left out.
CgroupFiles ReadCgroupFiles(const std::string& path);

}  // namespace cc::agent

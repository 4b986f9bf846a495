// SPDX-License-Identifier: Apache-2.0
// The nodes and links in a container's /dev.
#pragma once

#include <vector>

#include "agent/spec.h"

namespace cc::agent {

// The devices every container has, those of the specification, and the customary links (/dev/fd,
// /dev/stdin ...). `owner`: the container's id mappings, in which the owners of devices count.
Result<void> MakeDevices(int root, const std::vector<DeviceSpec>& devices, const IdMappings& owner);

}  // namespace cc::agent

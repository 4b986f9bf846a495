// SPDX-License-Identifier: Apache-2.0
// The nodes and links in a container's /dev.
#pragma once

#include <vector>

#include "agent/spec.h"

namespace cc::agent {

// The devices every container has, those of the specification, and the customary links (/dev/fd,
// /dev/stdin ...).
Result<void> MakeDevices(int root, const std::vector<DeviceSpec>& devices);

}  // namespace cc::agent

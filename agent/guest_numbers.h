// SPDX-License-Identifier: Apache-2.0
// A configuration names block devices by the host's numbers; in the machine these are other
// devices, or none.
#pragma once

#include <vector>

#include "agent/disks.h"
#include "agent/spec.h"

namespace cc::agent {

// A block device of the host's and the disk that it is in the machine.
struct NumberedDisk {
    uint32_t host_major = 0;
    uint32_t host_minor = 0;
    Disk disk;
};

// The rules, in their order, with the disks' numbers. What is said of a block device that the
// machine has not is left out; rules for all block devices stay.
std::vector<DeviceRule> RulesForGuest(const std::vector<DeviceRule>& rules,
                                      const std::vector<NumberedDisk>& disks);
// Nodes of the disks get their numbers; the others keep what they have.
void NumberDevices(std::vector<DeviceSpec>& devices, const std::vector<NumberedDisk>& disks);

// All of that for a container, whose disks are there (AwaitDisks).
Result<void> UseDisks(const NewContainer& message, ContainerSpec& spec);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Root file systems that are on a disk of the machine's. The agent mounts them, because what is in
// a container's cgroup may not open the disk; the container takes a copy of the mount along, with
// whose end the file system is unmounted.
#pragma once

#include <string>

#include "agent/disks.h"
#include "base/result.h"
#include "protocol/agent_messages.h"

namespace cc::agent {

// Below it each has a directory of its container's name, while it is passed on.
std::string RootDisks(const std::string& share);

// Of a message that names one; its disk is there. Blocks. Loads the file system's modules when
// the kernel has them not.
Result<void> MountRootDisk(const NewContainer& message, const std::string& share);
// The agent's own mount of it, if there is one.
void UnmountRootDisk(const std::string& container_id, const std::string& share);

// Whether somebody still has it mounted.
bool IsInUse(const Disk& disk);

}  // namespace cc::agent

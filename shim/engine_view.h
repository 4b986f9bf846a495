// SPDX-License-Identifier: Apache-2.0
// What those find who enter the mount namespace of a container's shim to look at its processes, as
// `podman top` does: /proc with the shim, process 1 of its pid namespace, which carries the command
// line of the container's process. Nothing else of a procfs is there: files of the host would be in
// reach of a link in the container's root file system that an engine follows as root.
#pragma once

#include "base/result.h"

namespace cc::shim {

// In a mount namespace of the shim's own, as process 1. Directories that the root file system lacks
// are made, as every runtime does.
Result<void> ShowOwnProcess();

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
// The root of a container: its mount, what hides parts of it, and the move into it.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"

namespace cc::agent {

// In a mount namespace of one's own: nothing done there from now on reaches the namespace it was
// copied from.
Result<void> DetachFromParentNamespace();
// Makes `path` (below the directory `share`) a mount of its own and returns its root.
Result<Fd> MountRootfs(const std::string& share, const std::string& path);
// Makes "/" of the calling process this mount; everything else is gone from its namespace
// afterwards.
Result<void> EnterRoot(int root);

// Files read as empty, directories as empty and read-only; a path that is missing needs no hiding.
Result<void> MaskPaths(int root, const std::vector<std::string>& paths);
Result<void> ProtectPaths(int root, const std::vector<std::string>& paths);

}  // namespace cc::agent

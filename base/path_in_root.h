// SPDX-License-Identifier: Apache-2.0
// Paths as a container means them, resolved inside its root before anything of it runs: a symbolic
// link in an image, absolute or full of "..", never leads out of the tree, also while somebody else
// changes it.
#pragma once

#include <string>

#include "base/fd.h"

namespace cc {

// open(2) in the tree below the directory `root`. Flags as for open(2); close-on-exec is implied.
Result<Fd> OpenInRoot(int root, const std::string& path, int flags);

enum class PathKind { kDirectory, kFile };
// Opens (O_PATH) what is at `path`, or makes it, with the directories that lead there: a directory
// or an empty file. A symbolic link whose target is missing has its target made, because images
// point /etc/resolv.conf to such places.
Result<Fd> MakeInRoot(int root, const std::string& path, PathKind kind);

// A path by which system calls without a descriptor argument reach what the descriptor refers to.
std::string FdPath(int fd);

}  // namespace cc

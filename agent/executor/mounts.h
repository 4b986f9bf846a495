// SPDX-License-Identifier: Apache-2.0
// The mounts of a container. They are made detached (fsopen, open_tree), given their attributes,
// and only then moved to their place, which is resolved inside the container's root: no path of an
// image is ever followed by mount(2).
#pragma once

#include <vector>

#include "agent/spec.h"
#include "base/fd.h"

namespace cc::agent {

// A new, detached file system. `data` as in MountOptions.
Result<Fd> NewFileSystem(const std::string& type, const std::string& source,
                         const std::vector<std::string>& data, uint64_t attributes);
// A detached copy of the mount (or a directory or file of it) at `path` below the directory `at`.
Result<Fd> CloneTree(int at, const std::string& path, bool recursive);
Result<void> SetAttributes(int tree, const MountAttributes& attributes, bool recursive);
// Puts a detached mount onto the place that the descriptor `target` refers to.
Result<void> Attach(int tree, int target);

// Makes all of them, in order. `owner`: the container's id mappings, in which numbers of users and
// groups in options count; empty without a user namespace. Those on which the executor has yet to
// create something (a read-only tmpfs) become read-only only by SealMounts.
Result<void> MakeMounts(int root, const std::vector<MountSpec>& mounts, const IdMappings& owner);
Result<void> SealMounts(int root, const std::vector<MountSpec>& mounts);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// The shared directory of a VM, in a mount namespace of the keeper's own, which the VMM inherits.
// No mount of it is ever seen by the host, and all of them vanish with the last process in it.
//
// The root is a small tmpfs that holds nothing but mount points. It is mounted twice: the keeper
// makes mount points through one, the guest sees the other, read-only, so that it can neither fill
// it nor put a link in our way.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/fd.h"

namespace cc {

class Share {
  public:
    // Moves this process, which must have one thread, into a new mount namespace and mounts the
    // root on `directory`, which is made when it is missing. Mounts of the host keep arriving here
    // and nothing goes back.
    static Result<std::unique_ptr<Share>> Create(const std::string& directory);
    ~Share();

    // From now on what is added and removed is so, too, in mount namespaces that are copied from
    // this process's: a file server has one of its own.
    Result<void> Propagate();

    // Shows a detached mount (open_tree(2)) to the guest as `path`, relative to the root. Not
    // inside, above or on another.
    Result<void> Add(const std::string& path, const Fd& mount);
    // Takes away what was added as `path` or below it.
    Result<void> Remove(const std::string& path);
    // The root as the keeper has it, to be written to.
    int directory() const { return writable_.get(); }
    // Its directory is found by another path now.
    void MovedTo(std::string directory) { directory_ = std::move(directory); }

  private:
    explicit Share(std::string directory) : directory_(std::move(directory)) {}
    Result<void> MountRoot();
    Result<void> MakeMountPoint(const std::string& path, bool is_directory);
    Result<void> RemoveOne(const std::string& path);
    void RemoveMountPoint(std::string path);

    std::string directory_;
    Fd writable_;  // the root through the mount that only the keeper uses; no shared tree is
                   // mounted on it
    Fd shown_;     // the root that the guest sees
    std::set<std::string> added_;
};

}  // namespace cc

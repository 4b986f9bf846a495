// SPDX-License-Identifier: Apache-2.0
// The shim of a container lives in a mount namespace of its own whose root is the container's root
// file system, because engines copy files into and out of "/" there. What it needs of the host,
// cc-proxy's socket and program, it reaches through here.
#pragma once

#include <functional>

#include "base/fd.h"

namespace cc::shim {

class HostMounts {
  public:
    HostMounts() = default;  // of a shim that stays in the host's mount namespace
    explicit HostMounts(Fd mount_namespace) : namespace_(std::move(mount_namespace)) {}

    // Makes the working directory the root directory of this process, and lets go of all mounts
    // outside of it.
    static Result<void> Leave();

    // Calls `work`, in which paths are the host's, and returns when it has. In a thread of its own:
    // nobody may find this process in the host's namespace, not for a moment.
    Result<void> Run(const std::function<Result<void>()>& work) const;

  private:
    Fd namespace_;
};

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "shim/host_mounts.h"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mount_namespace.h"

namespace cc::shim {

Result<void> HostMounts::Leave() {
    // The old root comes to lie on top of the new one and is taken off (pivot_root(2)).
    if (::syscall(SYS_pivot_root, ".", ".") < 0)
        return FailErrno("making the root file system the shim's");
    if (::umount2(".", MNT_DETACH) < 0) return FailErrno("leaving the host's mounts");
    if (::chdir("/") < 0) return FailErrno("entering the root file system");
    return {};
}

Result<void> HostMounts::Run(const std::function<Result<void>()>& work) const {
    return namespace_ ? RunInMountNamespace(namespace_.get(), work) : work();
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "shim/host_mounts.h"

#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    if (!namespace_) return work();
    Result<void> result;
    std::thread thread([&] {
        if (::unshare(CLONE_FS) < 0 || ::setns(namespace_.get(), CLONE_NEWNS) < 0)
            result = FailErrno("entering the host's mount namespace");
        else
            result = work();
    });
    thread.join();
    return result;
}

}  // namespace cc::shim

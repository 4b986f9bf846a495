// SPDX-License-Identifier: Apache-2.0
#include "base/mount_namespace.h"

#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

namespace cc {

namespace {

Result<void> RunInThread(const std::function<Result<void>()>& work) {
    Result<void> result;
    std::thread thread([&] { result = work(); });
    thread.join();
    return result;
}

}  // namespace

Result<Fd> MakeMountNamespace() {
    Fd made;
    CC_TRY(RunInThread([&]() -> Result<void> {
        if (::unshare(CLONE_NEWNS) < 0) return FailErrno("making a mount namespace");
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
            return FailErrno("cutting off mount propagation");
        CC_ASSIGN(made, OpenFile("/proc/thread-self/ns/mnt", O_RDONLY));
        return {};
    }));
    return made;
}

Result<void> RunInMountNamespace(int mount_namespace, const std::function<Result<void>()>& work) {
    return RunInThread([&]() -> Result<void> {
        if (::unshare(CLONE_FS) < 0 || ::setns(mount_namespace, CLONE_NEWNS) < 0)
            return FailErrno("entering a mount namespace");
        return work();
    });
}

}  // namespace cc

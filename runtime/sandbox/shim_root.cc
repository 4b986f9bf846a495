// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/shim_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "runtime/storage/detached_mount.h"

namespace cc::runtime {

namespace {

// No symbolic link of the image leads out of it.
Result<Fd> OpenBelow(int root, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    Fd fd =
        Fd::Adopt(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
    if (!fd) return FailErrno(Cat("opening ", path, " in the root file system"));
    return fd;
}

Result<void> AttachVolume(int root, const ShareItem& item, const OciMount& mount) {
    CC_ASSIGN(const Fd target, OpenBelow(root, mount.destination));
    CC_ASSIGN(const Fd tree, CloneMount(item));
    if (::move_mount(tree.get(), "", target.get(), "",
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return FailErrno(Cat("mounting ", item.source));
    return {};
}

}  // namespace

Result<void> EnterContainerRoot(const OciSpec& spec, const SharePlan& plan) {
    if (::unshare(CLONE_NEWNS) < 0) return FailErrno("making a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        return FailErrno("cutting off mount propagation");
    ShareItem rootfs = plan.items.front();
    rootfs.read_only = spec.root_read_only;
    CC_ASSIGN(const Fd root, CloneMount(rootfs));
    if (::move_mount(root.get(), "", AT_FDCWD, rootfs.source.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return FailErrno(Cat("mounting the root file system, ", rootfs.source));
    // The items after the first are the bind mounts, in the order of guest_sources.
    size_t next = 1;
    for (const auto& [index, source] : plan.guest_sources) {
        const ShareItem& item = plan.items.at(next++);
        if (auto attached = AttachVolume(root.get(), item, spec.mounts.at(index)); !attached)
            Log(LogLevel::kDebug, "a volume is not seen at the shim",
                {{"why", attached.error().message}});
    }
    if (::fchdir(root.get()) < 0) return FailErrno("entering the root file system");
    return {};
}

}  // namespace cc::runtime

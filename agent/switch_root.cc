// SPDX-License-Identifier: Apache-2.0
// Stage 1's way out of the initramfs.
#include <chrono>
#include <thread>

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/boot.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr const char* kNewRoot = "/newroot";
constexpr const char* kMoved[] = {"/dev", "/proc", "/sys"};

Result<void> WaitForDevice(const std::string& path) {
    // Its driver has just been loaded, and looks at its devices in its own time. Nothing else runs
    // yet that could wait less.
    constexpr std::chrono::milliseconds kPause{5};
    constexpr int kTries = 400;
    for (int i = 0; i < kTries; ++i) {
        if (Exists(path)) return {};
        std::this_thread::sleep_for(kPause);
    }
    return Fail(Cat(path, " did not appear within 2 s"), ETIMEDOUT);
}

Result<void> MountImage(const BootParameters& parameters) {
    const bool ext4 = parameters.root_type == "ext4";
    const char* type = ext4 ? "ext4" : "erofs";
    if (!ext4 && !parameters.root_type.empty() && parameters.root_type != "erofs")
        return Fail(Cat("rootfstype=", Quoted(parameters.root_type, 32),
                        " is not supported, only erofs and ext4"));
    // Mapped from the host's memory instead of copied into the guest's.
    if (::mount(parameters.root.c_str(), kNewRoot, type, MS_RDONLY, ext4 ? "dax" : "dax=always") ==
        0)
        return {};
    const int error = errno;
    if (::mount(parameters.root.c_str(), kNewRoot, type, MS_RDONLY, nullptr) < 0)
        return FailErrno(Cat("mounting ", parameters.root, " as ", type));
    Log(LogLevel::kWarn, FailErrno("the root image is mounted without DAX", error).value().message);
    return {};
}

// The initramfs stays in memory for ever, below the new root: what nobody needs any more is freed.
void FreeInitramfs(bool init_too) {
    (void)RemoveTree("/modules");
    if (init_too) ::unlink("/init");
}

Result<void> MoveRoot() {
    for (const char* path : kMoved) {
        const std::string target = Cat(kNewRoot, path);
        if (::mount(path, target.c_str(), nullptr, MS_MOVE, nullptr) < 0)
            return FailErrno(Cat("moving ", path));
    }
    if (::chdir(kNewRoot) < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 ||
        ::chroot(".") < 0 || ::chdir("/") < 0)
        return FailErrno("moving to the new root");
    return {};
}

}  // namespace

bool InInitramfs() {
    struct statfs status {};
    if (::statfs("/", &status) < 0) return false;
    return status.f_type == RAMFS_MAGIC || status.f_type == TMPFS_MAGIC;
}

Result<void> MountOn(const std::string& type, const std::string& target, unsigned long flags,
                     const char* data) {
    if (::mkdir(target.c_str(), 0755) < 0 && errno != EEXIST && errno != EROFS)
        return FailErrno(Cat("making ", target));
    // Busy: the kernel, or an earlier stage, has mounted the same there.
    if (::mount(type.c_str(), target.c_str(), type.c_str(), flags, data) < 0 && errno != EBUSY)
        return FailErrno(Cat("mounting ", type, " on ", target));
    return {};
}

Result<void> SwitchToImage(const BootParameters& parameters) {
    CC_TRY(WaitForDevice(parameters.root));
    CC_TRY(MakeDirectories(kNewRoot, 0755));
    CC_TRY(MountImage(parameters));
    FreeInitramfs(true);
    CC_TRY(MoveRoot());
    char* const arguments[] = {const_cast<char*>("/init"), nullptr};
    ::execv("/init", arguments);
    return FailErrno("executing the root image's /init");
}

Result<void> SwitchToTmpfs() {
    CC_TRY(MountOn("tmpfs", kNewRoot, MS_NOSUID | MS_NODEV, "mode=0755"));
    for (const char* path : kMoved)
        if (::mkdir(Cat(kNewRoot, path).c_str(), 0755) < 0) return FailErrno(Cat("making ", path));
    // The agent itself goes on from the initramfs' copy of the program, which is in memory anyway.
    FreeInitramfs(false);
    return MoveRoot();
}

}  // namespace cc::agent

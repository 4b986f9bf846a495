// SPDX-License-Identifier: Apache-2.0
#include "shim/engine_view.h"

#include <ctime>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::shim {

namespace {

constexpr unsigned long kInert = MS_NOSUID | MS_NODEV | MS_NOEXEC;

Result<void> MakeDirectory(const char* path) {
    if (::mkdir(path, 0755) < 0 && errno != EEXIST) return FailErrno(Cat("making ", path));
    return {};
}

Result<void> MountFolder(const char* path) {
    if (::mount("tmpfs", path, "tmpfs", kInert, "mode=755,size=64k") < 0)
        return FailErrno(Cat("mounting ", path));
    return {};
}

Result<void> MakeReadOnly(const char* path) {
    if (::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kInert, nullptr) < 0)
        return FailErrno(Cat("making ", path, " read-only"));
    return {};
}

// The second of the host's boot. Elapsed times are reckoned from this line.
std::string Stat() {
    timespec now{}, since_boot{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return Cat("btime ", now.tv_sec - since_boot.tv_sec, "\n");
}

Result<void> ShowProc() {
    CC_TRY(MakeDirectory("/proc"));
    if (::mount("proc", "/proc", "proc", kInert | MS_RDONLY, "subset=pid") < 0)
        return FailErrno("mounting a procfs");
    const Fd own = Fd::Adopt(
        ::open_tree(AT_FDCWD, "/proc/1", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT));
    if (!own) return FailErrno("cloning /proc/1");
    // The procfs stays below, out of everybody's reach.
    CC_TRY(MountFolder("/proc"));
    CC_TRY(MakeDirectory("/proc/1"));
    CC_TRY(WriteFileAtomic("/proc/stat", Stat(), 0444));
    if (::symlink("1", "/proc/self") < 0) return FailErrno("making /proc/self");
    if (::move_mount(own.get(), "", AT_FDCWD, "/proc/1", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return FailErrno("mounting /proc/1");
    return MakeReadOnly("/proc");
}

// Who wants to name a process's terminal looks through both.
Result<void> ShowDev() {
    struct stat found {};
    if (::stat("/dev/pts", &found) == 0 && S_ISDIR(found.st_mode)) return {};
    CC_TRY(MakeDirectory("/dev"));
    CC_TRY(MountFolder("/dev"));
    CC_TRY(MakeDirectory("/dev/pts"));
    return MakeReadOnly("/dev");
}

}  // namespace

Result<void> ShowOwnProcess() {
    CC_TRY(ShowProc());
    return ShowDev();
}

}  // namespace cc::shim

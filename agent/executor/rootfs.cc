// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/executor/mounts.h"
#include "base/path_in_root.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Missing, or below something that is no directory: not there in the eyes of whoever wanted it
// hidden.
bool Missing(const Error& error) {
    return error.code == ENOENT || error.code == ENOTDIR;
}

Result<void> Mask(int root, const std::string& path) {
    auto target = OpenInRoot(root, path, O_PATH);
    if (!target) return Missing(target.error()) ? Result<void>{} : Failure(target.error());
    struct stat status {};
    if (::fstat(target->get(), &status) < 0) return FailErrno(path);
    Fd cover;
    if (S_ISDIR(status.st_mode)) {
        CC_ASSIGN(cover,
                  NewFileSystem("tmpfs", "tmpfs", {"size=0", "nr_inodes=1"}, MOUNT_ATTR_RDONLY));
    } else {
        CC_ASSIGN(cover, CloneTree(AT_FDCWD, "/dev/null", false));
    }
    return Attach(cover.get(), target->get());
}

Result<void> Protect(int root, const std::string& path) {
    auto target = OpenInRoot(root, path, O_PATH);
    if (!target) return Missing(target.error()) ? Result<void>{} : Failure(target.error());
    CC_ASSIGN(const Fd copy, CloneTree(target->get(), "", true));
    CC_TRY(SetAttributes(copy.get(), {MOUNT_ATTR_RDONLY, 0}, true));
    return Attach(copy.get(), target->get());
}

}  // namespace

Result<void> DetachFromParentNamespace() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
        return FailErrno("making the mounts private");
    return {};
}

Result<Fd> MountRootfs(const std::string& share, const std::string& path) {
    CC_ASSIGN(const Fd shared, OpenFile(share, O_PATH | O_DIRECTORY));
    auto place = OpenInRoot(shared.get(), path, O_PATH | O_DIRECTORY);
    if (!place) return Fail(Cat("no root file system at ", share, "/", path), place.error().code);
    CC_ASSIGN(Fd tree, CloneTree(place->get(), "", true));
    CC_TRY(Context("the root file system", Attach(tree.get(), place->get())));
    return tree;
}

Result<void> EnterRoot(int root) {
    CC_ASSIGN(const Fd old_root, OpenFile("/", O_RDONLY | O_DIRECTORY));
    if (::fchdir(root) < 0) return FailErrno("entering the root file system");
    // With both arguments "." the old root ends up stacked on the new one, so no directory is
    // needed for it.
    if (::syscall(SYS_pivot_root, ".", ".") < 0)
        return FailErrno("pivot_root into the root file system");
    if (::fchdir(old_root.get()) < 0) return FailErrno("leaving the old root");
    if (::umount2(".", MNT_DETACH) < 0) return FailErrno("unmounting the old root");
    if (::chdir("/") < 0) return FailErrno("entering the new root");
    return {};
}

Result<void> MaskPaths(int root, const std::vector<std::string>& paths) {
    for (const auto& path : paths)
        CC_TRY(Context(Cat("masking ", path), Mask(root, path)));
    return {};
}

Result<void> ProtectPaths(int root, const std::vector<std::string>& paths) {
    for (const auto& path : paths)
        CC_TRY(Context(Cat("making ", path, " read-only"), Protect(root, path)));
    return {};
}

}  // namespace cc::agent

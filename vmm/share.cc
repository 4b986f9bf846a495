// SPDX-License-Identifier: Apache-2.0
#include "vmm/share.h"

#include <algorithm>
#include <vector>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

// What may be opened below the root: plain names, no link, no way out.
Result<Fd> OpenBelow(int root, const std::string& path, uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd < 0) return FailErrno(Cat("opening ", Quoted(path), " in the share"));
    return Fd::Adopt(static_cast<int>(fd));
}

bool Within(std::string_view path, std::string_view parent) {
    return path == parent || (path.starts_with(parent) && path[parent.size()] == '/');
}

// A tree that the guest's file server reads: it runs nothing from it, opens no device in it (the
// guest may make device nodes there), and no mount or unmount in it may travel back to where the
// tree was cloned from.
Result<void> TameTree(const Fd& tree) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    attributes.propagation = MS_PRIVATE;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                        sizeof attributes) < 0)
        return FailErrno("setting the attributes of a tree to share");
    return {};
}

}  // namespace

Result<std::unique_ptr<Share>> Share::Create(const std::string& directory) {
    if (::unshare(CLONE_NEWNS) < 0)
        return FailErrno("making a mount namespace (the keeper needs CAP_SYS_ADMIN)");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        return FailErrno("cutting the mount namespace off from the host's");
    CC_TRY(MakeDirectories(directory, 0700));
    auto share = std::unique_ptr<Share>(new Share(directory));
    CC_TRY(Context(Cat("mounting the share on ", directory), share->MountRoot()));
    return share;
}

Result<void> Share::MountRoot() {
    constexpr auto flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    // Mount points only: 16 MiB are some 16,000 of them.
    if (::mount("cc-share", directory_.c_str(), "tmpfs", flags, "mode=0700,size=16m") < 0)
        return FailErrno("mounting a tmpfs");
    CC_ASSIGN(writable_, OpenFile(directory_, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    const Fd tree = Fd::Adopt(
        ::open_tree(writable_.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!tree) return FailErrno("cloning it");
    mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
        return FailErrno("making it read-only");
    if (::move_mount(tree.get(), "", AT_FDCWD, directory_.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return FailErrno("mounting it read-only");
    CC_ASSIGN(shown_, OpenFile(directory_, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    return {};
}

Share::~Share() {
    // The trees that were added go with the upper mount.
    if (shown_) ::umount2(directory_.c_str(), MNT_DETACH);
    if (writable_) ::umount2(directory_.c_str(), MNT_DETACH);
    ::rmdir(directory_.c_str());
}

Result<void> Share::Propagate() {
    mount_attr attributes{};
    attributes.propagation = MS_SHARED;
    if (::mount_setattr(shown_.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
        return FailErrno("letting the share's mounts reach its file server");
    return {};
}

Result<void> Share::Add(const std::string& path, const Fd& mount) {
    for (const auto& other : added_)
        if (Within(path, other) || Within(other, path))
            return Fail(Cat("sharing ", Quoted(path), ": ", Quoted(other), " is shared already"),
                        EEXIST);
    struct stat status {};
    if (::fstat(mount.get(), &status) < 0) return FailErrno(Cat("sharing ", Quoted(path)));
    if (S_ISLNK(status.st_mode))
        return Fail(Cat("sharing ", Quoted(path), ": it is a symbolic link"), ELOOP);
    auto added = [&]() -> Result<void> {
        CC_TRY(TameTree(mount));
        CC_TRY(MakeMountPoint(path, S_ISDIR(status.st_mode)));
        CC_ASSIGN(const Fd target, OpenBelow(shown_.get(), path, O_PATH));
        if (::move_mount(mount.get(), "", target.get(), "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
            return FailErrno("mounting it (was it opened with OPEN_TREE_CLONE?)");
        return {};
    }();
    if (!added) {
        RemoveMountPoint(path);
        return Context(Cat("sharing ", Quoted(path)), std::move(added));
    }
    added_.insert(path);
    return {};
}

Result<void> Share::Remove(const std::string& path) {
    std::vector<std::string> found;
    for (const auto& added : added_)
        if (Within(added, path)) found.push_back(added);
    if (found.empty()) return Fail(Cat("unsharing ", Quoted(path), ": it is not shared"), ENOENT);
    for (const auto& added : found)
        CC_TRY(RemoveOne(added));
    return {};
}

Result<void> Share::RemoveOne(const std::string& path) {
    CC_ASSIGN(const Fd top, OpenBelow(shown_.get(), path, O_PATH));
    // Through the descriptor: the path of the share's directory is not looked up again.
    if (::umount2(Cat("/proc/self/fd/", top.get()).c_str(), MNT_DETACH) < 0)
        return FailErrno(Cat("unsharing ", Quoted(path)));
    added_.erase(path);
    RemoveMountPoint(path);
    return {};
}

Result<void> Share::MakeMountPoint(const std::string& path, bool is_directory) {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1))
        if (::mkdirat(writable_.get(), path.substr(0, slash).c_str(), 0755) < 0 && errno != EEXIST)
            return FailErrno("making its parent directory");
    // Only this process writes here, so that there is no link to follow.
    if (is_directory) {
        if (::mkdirat(writable_.get(), path.c_str(), 0755) < 0 && errno != EEXIST)
            return FailErrno("making its mount point");
        return {};
    }
    CC_ASSIGN(const Fd parent,
              OpenBelow(writable_.get(),
                        path.find('/') == std::string::npos ? "." : path.substr(0, path.rfind('/')),
                        O_PATH | O_DIRECTORY));
    const std::string name = path.substr(path.rfind('/') + 1);
    if (::mknodat(parent.get(), name.c_str(), S_IFREG | 0600, 0) < 0)
        return FailErrno("making its mount point");
    return {};
}

void Share::RemoveMountPoint(std::string path) {
    if (::unlinkat(writable_.get(), path.c_str(), AT_REMOVEDIR) < 0)
        ::unlinkat(writable_.get(), path.c_str(), 0);
    // Parents that serve no other.
    for (size_t slash = path.rfind('/'); slash != std::string::npos; slash = path.rfind('/')) {
        path.resize(slash);
        if (::unlinkat(writable_.get(), path.c_str(), AT_REMOVEDIR) < 0) return;
    }
}

}  // namespace cc

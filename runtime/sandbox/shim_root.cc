// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/shim_root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path_in_root.h"
#include "base/text.h"
#include "runtime/storage/detached_mount.h"
#include "runtime/storage/new_tmpfs.h"

namespace cc::runtime {

namespace {

bool IsDirectory(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<void> MoveTo(int root, const Fd& tree, const std::string& destination, PathKind kind,
                    bool make) {
    CC_ASSIGN(const Fd target,
              make ? MakeInRoot(root, destination, kind) : OpenInRoot(root, destination, O_PATH));
    if (::move_mount(tree.get(), "", target.get(), "",
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return FailErrno(Cat("mounting at ", destination));
    return {};
}

// With the directories that the shim's own mounts go to.
Result<Fd> EmptyRoot() {
    CC_ASSIGN(Fd root, NewTmpfs("in the guest"));
    for (const char* name : {"proc", "dev"})
        if (::mkdirat(root.get(), name, 0755) < 0) return FailErrno(name);
    if (::fchmodat(root.get(), ".", 0755, 0) < 0) return FailErrno("an empty root");
    return root;
}

// The mounts of the configuration, in their order, at the places that the guest will have them at.
class ContainerMounts {
  public:
    ContainerMounts(const OciSpec& spec, const SharePlan& plan, int root)
        : spec_(spec), plan_(plan), root_(root) {
        // With users of its own the agent makes mount points, as they shall be owned.
        for (const auto& one : spec.namespaces)
            make_ = make_ && one.type != "user";
    }
    void Attach() {
        // The items after the first are the bind mounts, in the order of guest_sources.
        size_t next = 1;
        for (size_t i = 0; i < spec_.mounts.size(); ++i) {
            Result<void> attached;
            if (plan_.guest_sources.contains(i))
                attached = AttachVolume(plan_.items.at(next++), spec_.mounts[i]);
            else if (spec_.mounts[i].type == "tmpfs")
                attached = AttachTmpfs(spec_.mounts[i]);
            if (!attached)
                Log(LogLevel::kDebug, "a mount is not seen at the shim",
                    {{"why", attached.error().message}});
        }
        // Only now: there may be volumes in them.
        for (const auto& tree : tmpfs_)
            if (auto made = MakeReadOnly(tree); !made)
                Log(LogLevel::kDebug, "a mount can be written to at the shim",
                    {{"why", made.error().message}});
    }

  private:
    Result<void> AttachVolume(const ShareItem& item, const OciMount& mount) const {
        CC_ASSIGN(const Fd tree, CloneMount(item));
        return MoveTo(root_, tree, mount.destination,
                      IsDirectory(item.source) ? PathKind::kDirectory : PathKind::kFile, make_);
    }
    // The guest's memory is out of reach. An empty one that nobody can write to is in its place, so
    // that what is meant for it is refused instead of lost beneath it.
    Result<void> AttachTmpfs(const OciMount& mount) {
        // The agent gives its tmpfs the mode of what it covers; of nothing it would have made it
        // so.
        if (make_ && !OpenInRoot(root_, mount.destination, O_PATH)) {
            CC_ASSIGN(const Fd made, MakeInRoot(root_, mount.destination, PathKind::kDirectory));
            if (::chmod(FdPath(made.get()).c_str(), 01777) < 0) return FailErrno(mount.destination);
        }
        CC_ASSIGN(Fd tree, NewTmpfs("in the guest"));
        CC_TRY(MoveTo(root_, tree, mount.destination, PathKind::kDirectory, make_));
        tmpfs_.push_back(std::move(tree));
        return {};
    }

    const OciSpec& spec_;
    const SharePlan& plan_;
    const int root_;
    bool make_ = true;
    std::vector<Fd> tmpfs_;
};

}  // namespace

Result<void> EnterContainerRoot(const OciSpec& spec, const SharePlan& plan, bool on_device) {
    if (::unshare(CLONE_NEWNS) < 0) return FailErrno("making a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
        return FailErrno("cutting off mount propagation");
    const ShareItem& rootfs = plan.items.front();
    CC_ASSIGN(const Fd root, on_device ? EmptyRoot() : CloneMount(rootfs));
    if (::move_mount(root.get(), "", AT_FDCWD, rootfs.source.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return FailErrno(Cat("mounting the root file system, ", rootfs.source));
    ContainerMounts(spec, plan, root.get()).Attach();
    if (spec.root_read_only || on_device) CC_TRY(MakeReadOnly(root));
    if (::fchdir(root.get()) < 0) return FailErrno("entering the root file system");
    return {};
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/share_plan.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <optional>
#include <string_view>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

// The host's own /dev/shm is not for one container: it stays a shared directory.
std::optional<SharedMemory> AsSharedMemory(const OciMount& mount, const std::string& source) {
    if (mount.destination != "/dev/shm" || source == "/dev/shm") return std::nullopt;
    struct statfs place {};
    struct stat status {};
    if (::statfs(source.c_str(), &place) < 0 || place.f_type != TMPFS_MAGIC ||
        ::stat(source.c_str(), &status) < 0 || !S_ISDIR(status.st_mode))
        return std::nullopt;
    char mode[16];
    std::snprintf(mode, sizeof mode, "%o", static_cast<unsigned>(status.st_mode & 07777));
    return SharedMemory{static_cast<int64_t>(place.f_blocks) * place.f_bsize, mode};
}

// The last part of a path, behind a slash, where it is a plain name; else nothing. A mount table
// shows it to the guest, as that of a namespace container does.
std::string NameBelow(std::string_view path) {
    while (path.ends_with('/'))
        path.remove_suffix(1);
    const std::string_view name = path.substr(path.rfind('/') + 1);
    const bool plain =
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
    if (name.empty() || name == "." || name == ".." || name.size() > NAME_MAX || !plain) return {};
    return Cat("/", name);
}

}  // namespace

Result<SharePlan> PlanShare(const Bundle& bundle, const std::string& container_id) {
    SharePlan plan;
    // Writable on the host's side even when root.readonly is set: the agent makes mount points in
    // it first.
    plan.items.push_back({.name = container_id + "/rootfs",
                          .source = bundle.rootfs,
                          .recursive = true,
                          .read_only = false,
                          .what = "root file system"});
    const auto& mounts = bundle.spec.mounts;
    for (size_t i = 0; i < mounts.size(); ++i) {
        const OciMount& mount = mounts[i];
        if (!mount.IsBind()) continue;
        if (mount.source.empty())
            return Fail(Cat("the bind mount of ", mount.destination, " has no source"));
        ShareItem item;
        item.source = InBundle(bundle.directory, mount.source);
        item.name = Cat(container_id, "/mounts/", i, NameBelow(item.source));
        if (auto shm = AsSharedMemory(mount, item.source)) {
            plan.shared_memory.emplace(i, std::move(*shm));
            continue;
        }
        item.recursive = mount.Has("rbind");
        item.read_only = mount.Has("ro");
        item.what = Cat("mount of ", mount.destination);
        plan.guest_sources[i] = Cat(kGuestShareDirectory, "/", item.name);
        plan.items.push_back(std::move(item));
    }
    return plan;
}

Result<void> CheckSources(const SharePlan& plan) {
    for (const auto& item : plan.items) {
        struct stat status {};
        if (::stat(item.source.c_str(), &status) < 0)
            return FailErrno(Cat("the source of the ", item.what, ": ", item.source));
        if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
            Log(LogLevel::kWarn,
                "a socket, pipe or device does not reach through the wall of a virtual machine",
                {{"what", item.what}, {"source", item.source}});
    }
    return {};
}

}  // namespace cc::runtime

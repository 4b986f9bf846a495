// SPDX-License-Identifier: Apache-2.0
// What containers of the pod have in common: namespaces of one another, and shared memory.
#include <tuple>

#include <sys/mount.h>
#include <unistd.h>

#include "agent/pod.h"
#include "base/file.h"
#include "base/text.h"
#include "protocol/pod_sharing.h"

namespace cc::agent {

namespace {

Result<void> MountShm(const std::string& path, const MountOptions& options) {
    CC_TRY(MakeDirectories(path, 0755));
    const std::string data = Join(options.data, ",");
    if (::mount("shm", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, data.c_str()) < 0)
        return FailErrno(Cat("mounting the pod's shared memory (", data, ")"));
    return {};
}

}  // namespace

Result<BornIn> Pod::SharedNamespaces(const ContainerSpec& spec) const {
    BornIn shared;
    for (const auto& [type, owner, pidfd] : {std::tuple("pid", &spec.pid_of, &shared.pid),
                                             std::tuple("ipc", &spec.ipc_of, &shared.ipc),
                                             std::tuple("uts", &spec.uts_of, &shared.uts)}) {
        if (owner->empty()) continue;
        const auto found = containers_.find(*owner);
        // They end with their last process, and it is the first one that they are found by.
        if (found == containers_.end() || !found->second->alive())
            return Fail(Cat("the ", type, " namespace of container ", *owner,
                            " cannot be shared: it does not run"),
                        ENOENT);
        *pidfd = found->second->pidfd();
    }
    return shared;
}

Result<void> Pod::ShareMemory(ContainerSpec& spec) {
    for (auto& mount : spec.mounts) {
        if (mount.type != kPodShm) continue;
        std::string path = Cat(surroundings_.shm, "/", shm_.size());
        if (!shm_.contains(mount.source)) {
            CC_TRY(MountShm(path, mount.options));
            shm_.emplace(mount.source, std::move(path));
        }
        mount.type = "bind";
        mount.source = shm_.at(mount.source);
        mount.options.bind = true;
        mount.options.data.clear();
    }
    return {};
}

void Pod::DropMemory() {
    for (const auto& [name, path] : shm_) {
        ::umount2(path.c_str(), MNT_DETACH);
        ::rmdir(path.c_str());
    }
    shm_.clear();
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/container_setup.h"

#include <sys/mount.h>
#include <unistd.h>

#include "agent/executor/devices.h"
#include "agent/executor/mounts.h"
#include "agent/executor/rootfs.h"
#include "agent/executor/sysctl.h"
#include "agent/root_disk.h"
#include "base/path_in_root.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Through the /proc of the agent, in the container's namespaces.
Result<void> SetNames(const ContainerSpec& spec) {
    if (!spec.hostname.empty() && ::sethostname(spec.hostname.data(), spec.hostname.size()) < 0)
        return FailErrno(Cat("setting the hostname ", Quoted(spec.hostname, 80)));
    if (!spec.domainname.empty() &&
        ::setdomainname(spec.domainname.data(), spec.domainname.size()) < 0)
        return FailErrno(Cat("setting the domain name ", Quoted(spec.domainname, 80)));
    return SetSysctls(spec.sysctl);
}

bool BindsDev(const ContainerSpec& spec) {
    for (const auto& mount : spec.mounts)
        if (mount.options.bind && (mount.destination == "/dev" || mount.destination == "/dev/"))
            return true;
    return false;
}

// The file system of a new container, seen from outside of it, still in the agent's root.
Result<std::optional<Terminal>> BuildRoot(int root, const ContainerSpec& spec) {
    CC_TRY(MakeMounts(root, spec.mounts, spec.id_map));
    if (!BindsDev(spec)) CC_TRY(MakeDevices(root, spec.devices, spec.id_map));
    std::optional<Terminal> terminal;
    if (spec.process.terminal) {
        CC_ASSIGN(terminal, OpenTerminal(root, spec.process));
        CC_TRY(BindConsole(root, *terminal));
    }
    CC_TRY(Context("making the working directory",
                   MakeInRoot(root, spec.process.cwd, PathKind::kDirectory)));
    CC_TRY(MaskPaths(root, spec.masked_paths));
    CC_TRY(ProtectPaths(root, spec.read_only_paths));
    CC_TRY(SealMounts(root, spec.mounts));
    if (spec.read_only_root)
        CC_TRY(Context("making the root read-only",
                       SetAttributes(root, {MOUNT_ATTR_RDONLY, 0}, false)));
    return terminal;
}

}  // namespace

Result<std::optional<Terminal>> MakeContainer(const ContainerSpec& spec, const std::string& share) {
    CC_TRY(DetachFromParentNamespace());
    CC_TRY(SetNames(spec));
    CC_ASSIGN(const Fd root, MountRootfs(spec.on_disk ? RootDisks(share) : share, spec.rootfs));
    CC_ASSIGN(auto terminal, BuildRoot(root.get(), spec));
    CC_TRY(EnterRoot(root.get()));
    if (spec.root_propagation != 0 &&
        ::mount(nullptr, "/", nullptr, spec.root_propagation, nullptr) < 0)
        return FailErrno("setting the propagation of the root");
    return terminal;
}

}  // namespace cc::agent

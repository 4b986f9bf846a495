// SPDX-License-Identifier: Apache-2.0
// A container from the fields of 3.0's messages, with the surroundings that 3.0's agent gave every
// container (reference B5).
#include <sys/stat.h>

#include "agent/spec.h"
#include "base/text.h"

namespace cc::agent {

namespace {

MountSpec FileSystem(std::string destination, const std::string& type,
                     const std::vector<std::string>& options) {
    // The options are ours, so they parse.
    MountSpec mount{std::move(destination),
                    type,
                    type,
                    ParseMountOptions(options).value_or(MountOptions{}),
                    {}};
    return mount;
}

std::vector<MountSpec> StandardMounts() {
    return {
        FileSystem("/proc", "proc", {"nosuid", "noexec", "nodev"}),
        FileSystem("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755"}),
        FileSystem("/dev/pts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        FileSystem("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
        FileSystem("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
        FileSystem("/sys", "sysfs", {"nosuid", "noexec", "nodev"}),
    };
}

Result<MountSpec> Volume(const AgentMount& volume) {
    if (volume.path.find('\0') != std::string::npos ||
        volume.source.find('\0') != std::string::npos)
        return Fail("a path in fsmap holds a NUL byte");
    MountSpec mount;
    mount.destination = volume.path;
    mount.type = "bind";
    mount.source =
        volume.absolute_path ? volume.source : Cat(kGuestShareDirectory, "/", volume.source);
    CC_ASSIGN(mount.options, ParseMountOptions({"rbind", volume.read_only ? "ro" : "rw"}));
    return mount;
}

CapabilitySets Convert(const AgentCapabilities& names) {
    return {ParseCapabilities(names.bounding), ParseCapabilities(names.effective),
            ParseCapabilities(names.inheritable), ParseCapabilities(names.permitted),
            ParseCapabilities(names.ambient)};
}

}  // namespace

Result<ProcessSpec> ProcessFromFields(const AgentProcess& process, const ProcessSpec* container) {
    ProcessSpec spec;
    spec.terminal = process.terminal;
    spec.user.by_name =
        process.group.empty() ? process.user : Cat(process.user, ":", process.group);
    spec.user.additional_groups = process.additional_groups;
    spec.args = process.args;
    for (const auto& [name, value] : process.envs) {
        if (name.empty()) return Fail("an environment variable has no name");
        spec.env.push_back(Cat(name, "=", value));
    }
    if (!process.workdir.empty()) spec.cwd = process.workdir;
    spec.no_new_privileges = process.no_new_privileges;
    if (container != nullptr) {
        // 3.0 does not apply what an exec says of its own privileges; they are those of the
        // container.
        spec.capabilities = container->capabilities;
        spec.no_new_privileges = spec.no_new_privileges || container->no_new_privileges;
        spec.rlimits = container->rlimits;
    } else {
        spec.capabilities = process.capabilities.bounding.empty() ? DefaultCapabilities()
                                                                  : Convert(process.capabilities);
    }
    return spec;
}

Result<ContainerSpec> ContainerFromFields(const NewContainer& message) {
    ContainerSpec spec;
    spec.mounts = StandardMounts();
    for (const auto& volume : message.mounts) {
        CC_ASSIGN(MountSpec mount, Volume(volume));
        spec.mounts.push_back(std::move(mount));
    }
    CC_ASSIGN(spec.process, ProcessFromFields(message.process, nullptr));
    return spec;
}

}  // namespace cc::agent

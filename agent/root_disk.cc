// SPDX-License-Identifier: Apache-2.0
#include "agent/root_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/executor/mounts.h"
#include "agent/modules.h"
#include "agent/mount_options.h"
#include "agent/spec.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Of the root image; a tuned kernel has what it needs built in and takes no modules.
std::string ModulesFor(const std::string& file_system) {
    utsname kernel{};
    ::uname(&kernel);
    return Cat("/modules/", std::string_view(kernel.release), "/", file_system);
}

bool KernelHas(const std::string& file_system) {
    const auto known = ReadFile("/proc/filesystems", 1 << 16).value_or("");
    for (const auto& line : Split(known, '\n'))
        if (Trim(std::string_view(line).substr(line.find('\t') + 1)) == file_system) return true;
    return false;
}

Result<void> NeedFileSystem(const std::string& type) {
    if (type.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
        type.starts_with('.'))
        return Fail(Cat("the file system ", Quoted(type, 32), " has no such name"));
    if (KernelHas(type)) return {};
    if (const std::string modules = ModulesFor(type); Exists(modules)) LoadModules(modules);
    if (KernelHas(type)) return {};
    return Fail(Cat("the guest's kernel has no ", Quoted(type, 32),
                    " file system; with disable_block_device_use = true in configuration.toml the "
                    "host's mount is shared instead"),
                ENODEV);
}

Result<Fd> MountDisk(const NewContainer& message, const Disk& disk) {
    CC_TRY(NeedFileSystem(message.fs_type));
    CC_ASSIGN(MountOptions options, ParseMountOptions(message.root_options));
    // The file system itself has to know, or it would not take a disk that cannot be written to.
    if (disk.read_only) options.attributes.set |= MOUNT_ATTR_RDONLY;
    if ((options.attributes.set & MOUNT_ATTR_RDONLY) != 0) options.data.emplace_back("ro");
    // Snapshots of one volume have one identity, and the kernel wants no two of them.
    if (message.fs_type == "xfs") options.data.emplace_back("nouuid");
    return NewFileSystem(message.fs_type, Cat("/dev/", disk.name), options.data,
                         options.attributes.set);
}

}  // namespace

std::string RootDisks(const std::string& share) {
    return Cat(share.substr(0, share.rfind('/')), "/roots");
}

Result<void> MountRootDisk(const NewContainer& message, const std::string& share) {
    const auto reference = RootDiskOf(message);
    if (!reference) return {};
    CC_TRY(CheckContainerId(message.id));
    const auto disk = FindDisk(*reference);
    if (!disk) return Fail(Cat(Describe(*reference), " is not there"), ENODEV);
    const std::string what =
        Cat("mounting the root file system, ", message.fs_type, " on ", Describe(*reference));
    CC_ASSIGN(const Fd tree, Context(what, MountDisk(message, *disk)));
    const std::string place = Cat(RootDisks(share), "/", message.id);
    CC_TRY(MakeDirectories(place, 0700));
    CC_ASSIGN(const Fd target, OpenFile(place, O_PATH | O_DIRECTORY));
    return Context(what, Attach(tree.get(), target.get()));
}

void UnmountRootDisk(const std::string& container_id, const std::string& share) {
    if (!CheckContainerId(container_id)) return;  // so nothing was mounted for it
    const std::string place = Cat(RootDisks(share), "/", container_id);
    ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    ::rmdir(place.c_str());
}

bool IsInUse(const Disk& disk) {
    const Fd claimed =
        Fd::Adopt(::open(Cat("/dev/", disk.name).c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    return !claimed && errno == EBUSY;
}

}  // namespace cc::agent

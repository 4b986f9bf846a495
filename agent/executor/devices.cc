// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/executor/id_map.h"
#include "agent/executor/mounts.h"
#include "base/path_in_root.h"
#include "base/random.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Numbers as in the kernel's Documentation/admin-guide/devices.txt.
const DeviceSpec kDefaultDevices[] = {
    {"/dev/null", S_IFCHR, 1, 3, 0666, 0, 0},    {"/dev/zero", S_IFCHR, 1, 5, 0666, 0, 0},
    {"/dev/full", S_IFCHR, 1, 7, 0666, 0, 0},    {"/dev/random", S_IFCHR, 1, 8, 0666, 0, 0},
    {"/dev/urandom", S_IFCHR, 1, 9, 0666, 0, 0}, {"/dev/tty", S_IFCHR, 5, 0, 0666, 0, 0},
};

struct Link {
    const char* target;
    const char* path;
};
constexpr Link kLinks[] = {{"/proc/self/fd", "/dev/fd"},
                           {"/proc/self/fd/0", "/dev/stdin"},
                           {"/proc/self/fd/1", "/dev/stdout"},
                           {"/proc/self/fd/2", "/dev/stderr"}};

struct Place {
    Fd directory;
    std::string name;
};

Result<Place> FindPlace(int root, const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    if (name.empty() || name == "." || name == "..")
        return Fail(Cat("invalid device path ", Quoted(path)));
    CC_ASSIGN(Fd directory, MakeInRoot(root, path.substr(0, slash + 1), PathKind::kDirectory));
    return Place{std::move(directory), name};
}

bool IsDevice(const struct stat& status, const DeviceSpec& device) {
    return (status.st_mode & S_IFMT) == device.type &&
           status.st_rdev == makedev(device.major, device.minor);
}

// A directory shared by the host may take no nodes, or have something else in the place; then the
// VM's own device is put there.
Result<void> MountDevice(int root, const DeviceSpec& device) {
    const std::string own = Cat("/dev/", device.path.substr(device.path.rfind('/') + 1));
    struct stat status {};
    if (::stat(own.c_str(), &status) < 0 || !IsDevice(status, device))
        return Fail(Cat("the VM has no such device at ", own), ENODEV);
    CC_ASSIGN(const Fd tree, CloneTree(AT_FDCWD, own, false));
    CC_ASSIGN(const Fd target, MakeInRoot(root, device.path, PathKind::kFile));
    return Attach(tree.get(), target.get());
}

Result<void> GiveAway(int directory, const std::string& name, const DeviceSpec& device,
                      const IdMappings& owner) {
    const auto uid = OutsideId(owner.uids, device.uid);
    const auto gid = OutsideId(owner.gids, device.gid);
    if (!uid || !gid)
        return Fail(Cat("making ", device.path, ": its owner has no id in the user namespace"));
    if (::fchmodat(directory, name.c_str(), device.mode, 0) < 0 ||
        ::fchownat(directory, name.c_str(), *uid, *gid, AT_SYMLINK_NOFOLLOW) < 0)
        return FailErrno(Cat("making ", device.path));
    return {};
}

// Likewise of a disk: a node with the mode and owner that this container wants, which is nowhere
// but in this mount.
Result<void> MountDisk(int root, const DeviceSpec& device, const IdMappings& owner) {
    CC_ASSIGN(const std::string random, RandomBytes(16));
    const std::string name = Cat("/dev/.disk-", HexEncode(random));
    if (::mknod(name.c_str(), device.type | device.mode, makedev(device.major, device.minor)) < 0)
        return FailErrno(Cat("making ", device.path));
    auto mounted = [&]() -> Result<void> {
        CC_TRY(GiveAway(AT_FDCWD, name, device, owner));
        CC_ASSIGN(const Fd tree, CloneTree(AT_FDCWD, name, false));
        CC_ASSIGN(const Fd target, MakeInRoot(root, device.path, PathKind::kFile));
        return Attach(tree.get(), target.get());
    }();
    ::unlink(name.c_str());
    return mounted;
}

Result<void> MakeDevice(int root, const DeviceSpec& device, const IdMappings& owner) {
    CC_ASSIGN(const Place place, FindPlace(root, device.path));
    const int directory = place.directory.get();
    const dev_t number = makedev(device.major, device.minor);
    if (::mknodat(directory, place.name.c_str(), device.type | device.mode, number) < 0) {
        const int error = errno;
        struct stat status {};
        const bool there =
            ::fstatat(directory, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            IsDevice(status, device);
        if (!there && device.disk) return MountDisk(root, device, owner);
        if (!there && MountDevice(root, device)) return {};
        if (!there) return FailErrno(Cat("making ", device.path), error);
    }
    return GiveAway(directory, place.name, device, owner);
}

Result<void> MakeLink(int root, const std::string& target, const std::string& path, bool replace) {
    CC_ASSIGN(const Place place, FindPlace(root, path));
    if (replace) ::unlinkat(place.directory.get(), place.name.c_str(), 0);
    if (::symlinkat(target.c_str(), place.directory.get(), place.name.c_str()) < 0 &&
        errno != EEXIST)
        return FailErrno(Cat("making ", path));
    return {};
}

}  // namespace

Result<void> MakeDevices(int root, const std::vector<DeviceSpec>& devices,
                         const IdMappings& owner) {
    for (const auto& device : kDefaultDevices)
        CC_TRY(MakeDevice(root, device, owner));
    for (const auto& device : devices)
        CC_TRY(MakeDevice(root, device, owner));
    for (const auto& link : kLinks)
        CC_TRY(MakeLink(root, link.target, link.path, false));
    // A devpts of one's own has its own multiplexer; the machine's /dev/ptmx would open terminals
    // of another.
    if (OpenInRoot(root, "/dev/pts/ptmx", O_PATH))
        CC_TRY(MakeLink(root, "pts/ptmx", "/dev/ptmx", true));
    return {};
}

}  // namespace cc::agent

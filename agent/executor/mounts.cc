// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/executor/copy_up.h"
#include "agent/executor/id_map.h"
#include "base/path_in_root.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// What the file system itself has to say about the parameter it did not like ("e tmpfs: Bad value
// for 'size'").
std::string Explanation(int context) {
    char text[256];
    const ssize_t length = ::read(context, text, sizeof text);
    if (length <= 2) return {};
    return Cat(" (", Trim(std::string_view(text + 2, static_cast<size_t>(length) - 2)), ")");
}

Result<void> Configure(int context, const std::string& option) {
    const size_t equals = option.find('=');
    const std::string key = option.substr(0, equals);
    const int failed =
        equals == std::string::npos
            ? ::fsconfig(context, FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
            : ::fsconfig(context, FSCONFIG_SET_STRING, key.c_str(), option.c_str() + equals + 1, 0);
    if (failed < 0) {
        const int error = errno;
        return FailErrno(Cat("option ", Quoted(option, 64), Explanation(context)), error);
    }
    return {};
}

bool ReadOnly(const MountSpec& mount) {
    return (mount.options.attributes.set & MOUNT_ATTR_RDONLY) != 0;
}

bool IsTmpfs(const MountSpec& mount) {
    return mount.type == "tmpfs" && !mount.options.bind;
}

// A tmpfs that covers a directory looks like it unless told otherwise, as with runc; one that
// covers nothing is for everybody, as mount(8) makes it.
std::vector<std::string> TmpfsData(const MountSpec& mount, int target) {
    auto data = mount.options.data;
    for (const auto& option : data)
        if (option.starts_with("mode=")) return data;
    struct stat status {};
    if (::fstat(target, &status) < 0) return data;
    char mode[32];
    std::snprintf(mode, sizeof mode, "mode=%o", static_cast<unsigned>(status.st_mode & 07777));
    data.emplace_back(mode);
    return data;
}

Result<void> ApplyOptions(int tree, const MountOptions& options, bool recursive_bind) {
    if (!options.recursive.empty()) CC_TRY(SetAttributes(tree, options.recursive, recursive_bind));
    if (options.propagation == 0) return {};
    mount_attr attributes{};
    attributes.propagation = options.propagation;
    const unsigned flags =
        AT_EMPTY_PATH | (options.recursive_propagation ? unsigned{AT_RECURSIVE} : 0);
    if (::mount_setattr(tree, "", flags, &attributes, sizeof attributes) < 0)
        return FailErrno("setting the propagation");
    return {};
}

Result<void> MapIds(int tree, const MountSpec& mount) {
    if (mount.id_map.empty()) return {};
    return MapTree(tree, mount.id_map, mount.options.recursive_id_map);
}

// "uid=" and "gid=" of a file system's options count in the container.
std::vector<std::string> TranslateIds(std::vector<std::string> data, const IdMappings& owner) {
    for (auto& option : data) {
        const std::string_view key = std::string_view(option).substr(0, 4);
        if (key != "uid=" && key != "gid=") continue;
        const auto id = ParseNumber<uint32_t>(std::string_view(option).substr(key.size()));
        const auto outside =
            id ? OutsideId(key == "uid=" ? owner.uids : owner.gids, *id) : std::nullopt;
        if (outside) option = Cat(key, *outside);
    }
    return data;
}

Result<void> Bind(int root, const MountSpec& mount) {
    const MountOptions& options = mount.options;
    if (!mount.source.starts_with('/'))
        return Fail(Cat("the source ", Quoted(mount.source), " is not absolute"));
    CC_ASSIGN(const Fd tree, CloneTree(AT_FDCWD, mount.source, options.recursive_bind));
    struct stat status {};
    if (::fstat(tree.get(), &status) < 0) return FailErrno(mount.source);
    const auto kind = S_ISDIR(status.st_mode) ? PathKind::kDirectory : PathKind::kFile;
    CC_ASSIGN(const Fd target, MakeInRoot(root, mount.destination, kind));
    if (!options.attributes.empty()) CC_TRY(SetAttributes(tree.get(), options.attributes, false));
    CC_TRY(MapIds(tree.get(), mount));
    CC_TRY(Attach(tree.get(), target.get()));
    return ApplyOptions(tree.get(), options, options.recursive_bind);
}

Result<void> MountNew(int root, const MountSpec& mount, const IdMappings& owner) {
    const bool covers = OpenInRoot(root, mount.destination, O_PATH).has_value();
    CC_ASSIGN(const Fd target, MakeInRoot(root, mount.destination, PathKind::kDirectory));
    const MountOptions& options = mount.options;
    // The guest has only the unified hierarchy; the runtime's default of "cgroup" means whatever
    // there is.
    const bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
    const bool tmpfs = IsTmpfs(mount);
    uint64_t attributes = options.attributes.set;
    if (tmpfs) attributes &= ~uint64_t{MOUNT_ATTR_RDONLY};
    const auto data = tmpfs && covers ? TmpfsData(mount, target.get())
                      : cgroup        ? std::vector<std::string>{}
                                      : options.data;
    CC_ASSIGN(const Fd tree, NewFileSystem(cgroup ? "cgroup2" : mount.type,
                                           mount.source.empty() ? mount.type : mount.source,
                                           TranslateIds(data, owner), attributes));
    CC_TRY(MapIds(tree.get(), mount));
    if (tmpfs && options.copy_up) CC_TRY(CopyUp(target.get(), tree.get()));
    CC_TRY(Attach(tree.get(), target.get()));
    return ApplyOptions(tree.get(), options, false);
}

}  // namespace

Result<Fd> NewFileSystem(const std::string& type, const std::string& source,
                         const std::vector<std::string>& data, uint64_t attributes) {
    const int opened = ::fsopen(type.c_str(), FSOPEN_CLOEXEC);
    if (opened < 0) return FailErrno(Cat("the file system ", Quoted(type, 32)));
    const Fd context = Fd::Adopt(opened);
    CC_TRY(Configure(opened, Cat("source=", source)));
    for (const auto& option : data)
        CC_TRY(Configure(opened, option));
    if (::fsconfig(opened, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
        const int error = errno;
        return FailErrno(Cat("a new ", type, Explanation(opened)), error);
    }
    const int tree = ::fsmount(opened, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
    if (tree < 0) return FailErrno(Cat("a new mount of ", type));
    return Fd::Adopt(tree);
}

Result<Fd> CloneTree(int at, const std::string& path, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                           (recursive ? unsigned{AT_RECURSIVE} : 0);
    const int tree = ::open_tree(at, path.c_str(), flags);
    if (tree < 0) return FailErrno(path.empty() ? "copying a mount" : path);
    return Fd::Adopt(tree);
}

Result<void> SetAttributes(int tree, const MountAttributes& attributes, bool recursive) {
    mount_attr change{};
    change.attr_set = attributes.set;
    change.attr_clr = attributes.clear;
    const unsigned flags = AT_EMPTY_PATH | (recursive ? unsigned{AT_RECURSIVE} : 0);
    if (::mount_setattr(tree, "", flags, &change, sizeof change) < 0)
        return FailErrno("setting the attributes of a mount");
    return {};
}

Result<void> Attach(int tree, int target) {
    if (::move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return FailErrno("putting a mount in its place");
    return {};
}

Result<void> MakeMounts(int root, const std::vector<MountSpec>& mounts, const IdMappings& owner) {
    for (const auto& mount : mounts)
        CC_TRY(Context(Cat("mounting ", mount.options.bind ? mount.source : mount.type, " on ",
                           mount.destination),
                       mount.options.bind ? Bind(root, mount) : MountNew(root, mount, owner)));
    return {};
}

Result<void> SealMounts(int root, const std::vector<MountSpec>& mounts) {
    for (const auto& mount : mounts) {
        if (!IsTmpfs(mount) || !ReadOnly(mount)) continue;
        CC_ASSIGN(const Fd fd, OpenInRoot(root, mount.destination, O_PATH));
        CC_TRY(Context(Cat("making ", mount.destination, " read-only"),
                       SetAttributes(fd.get(), {MOUNT_ATTR_RDONLY, 0}, false)));
    }
    return {};
}

}  // namespace cc::agent

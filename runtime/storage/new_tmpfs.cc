// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/new_tmpfs.h"

#include <fcntl.h>
#include <sys/mount.h>

namespace cc::runtime {

Result<Fd> NewTmpfs(const std::string& source) {
    const Fd context = Fd::Adopt(::fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context ||
        ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) < 0 ||
        ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return FailErrno("making a tmpfs");
    Fd tree = Fd::Adopt(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!tree) return FailErrno("mounting a tmpfs");
    return tree;
}

Result<void> MakeReadOnly(const Fd& tree) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
        return FailErrno("making a mount read-only");
    return {};
}

}  // namespace cc::runtime

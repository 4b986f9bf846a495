// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/detached_mount.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "base/text.h"

namespace cc::runtime {

Result<Fd> CloneMount(const ShareItem& item) {
    const std::string where = Cat("sharing the ", item.what, ", ", item.source);
    // What is shared from here on is what this descriptor names, whatever happens to the path.
    CC_ASSIGN(const Fd place, Context(where, OpenFile(item.source, O_PATH)));
    const unsigned depth = item.recursive ? AT_RECURSIVE : 0U;
    Fd tree = Fd::Adopt(
        ::open_tree(place.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth));
    if (!tree) return FailErrno(where);
    mount_attr propagation{};
    propagation.propagation = MS_SLAVE;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | depth, &propagation, sizeof propagation) <
        0)
        return FailErrno(Cat(where, ": cutting off mount propagation"));
    if (item.read_only) {
        mount_attr attributes{};
        attributes.attr_set = MOUNT_ATTR_RDONLY;
        if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
            return FailErrno(Cat(where, ": making it read-only"));
    }
    return tree;
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/device_node.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/text.h"
#include "runtime/storage/new_tmpfs.h"

namespace cc::runtime {

// The node lies in a file system of its own that is mounted nowhere, and goes with it.
Result<Fd> OpenBlockDevice(dev_t device, int flags) {
    const std::string what = Cat("opening the block device ", major(device), ":", minor(device));
    CC_ASSIGN(const Fd folder, Context(what, NewTmpfs("a node of cc-runtime's")));
    if (::mknodat(folder.get(), "node", S_IFBLK | 0600, device) < 0) return FailErrno(what);
    Fd opened = Fd::Adopt(::openat(folder.get(), "node", flags | O_CLOEXEC | O_NOFOLLOW));
    if (!opened) return FailErrno(what);
    return opened;
}

}  // namespace cc::runtime

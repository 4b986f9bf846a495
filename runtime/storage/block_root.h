// SPDX-License-Identifier: Apache-2.0
// A root file system that is alone on a block device, as containerd's devmapper snapshotter mounts
// one: the virtual machine gets the device and mounts it itself.
//
// Never both: before the machine gets the device it is unmounted on the host, and in its place is
// an empty tmpfs that nobody can write to, so that whoever mounted it finds something to unmount.
// That stays when the container is deleted. What a guest has written onto a device this program
// does not mount again, because a file system of a stranger's making can attack the kernel that
// reads it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"

namespace cc::runtime {

struct BlockRoot {
    std::string place;   // where it is mounted
    std::string source;  // as it was mounted, "/dev/mapper/pool-snap-3"
    dev_t device = 0;
    std::string type;         // on the host
    unsigned long flags = 0;  // MS_..., to mount it so again
    std::string data;         // likewise
    bool read_only = false;
    std::vector<std::string> options;  // for the guest, as mount(8) has them
};
// What the guest mounts all of them as: one driver for the whole family.
constexpr std::string_view kBlockRootType = "ext4";

// Nothing, for a root that is to be shared as a directory, unless all of this is so: it is itself a
// mount point, of a whole file system of the ext family, on a device-mapper or loop device which
// the mount's source names; nothing is mounted in it; and this device is mounted nowhere else in
// the table. `mountinfo`: /proc/self/mountinfo. An error: the place holds what an earlier
// container has left.
Result<std::optional<BlockRoot>> FindBlockRoot(std::string_view mountinfo,
                                               const std::string& rootfs,
                                               const std::string& sys_dev_block = "/sys/dev/block");

// Unmounts it and returns the device, which nobody can mount or take as long as it is open. After a
// failure (somebody uses it, here or in another mount namespace) it is mounted as it was.
Result<Fd> TakeBlockRoot(const BlockRoot& root);
// The way back, while no guest has written to it. The device must have been closed.
Result<void> ReturnBlockRoot(const BlockRoot& root);

}  // namespace cc::runtime

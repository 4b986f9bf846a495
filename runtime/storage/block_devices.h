// SPDX-License-Identifier: Apache-2.0
// Block devices of the configuration that become disks of the virtual machine.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "runtime/oci/spec.h"

namespace cc::runtime {

struct BlockDevice {
    dev_t number = 0;
    std::string path;  // in the container, the first if there are several
    bool read_only = false;
};

// Those of linux.devices that a rule of linux.resources.devices allows by name, be it only by their
// major number, to be read or written, each once. Read-only: no rule allows to write. Others are
// nodes without a device: what no rule allows could not be opened anyway, and "all devices" (a
// privileged container, to which engines give a node of every disk of the host) means the
// machine's.
Result<std::vector<BlockDevice>> PlanBlockDevices(
    const OciSpec& spec, const std::string& sys_dev_block = "/sys/dev/block");

// For the VM. A device that cannot be written to becomes read-only here. One that is mounted on the
// host, or otherwise in use there, can be read only: two kernels that write to one file system
// destroy it.
Result<Fd> OpenForVm(BlockDevice& device);

}  // namespace cc::runtime

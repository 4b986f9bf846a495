// SPDX-License-Identifier: Apache-2.0
// Which devices a cgroup may use. The unified hierarchy has no file for that but a BPF program,
// which is asked at each mknod(2) and each opening of a device.
#pragma once

#include <vector>

#include <linux/bpf.h>

#include "agent/resources.h"
#include "base/result.h"

namespace cc::agent {

// What every container may use, whatever its list says: the devices that it has by default, its
// terminals, and making nodes of any device. To be put behind the list.
std::vector<DeviceRule> DefaultDeviceRules();

// A program of type BPF_PROG_TYPE_CGROUP_DEVICE: what no rule covers is denied.
std::vector<bpf_insn> DeviceProgram(const std::vector<DeviceRule>& rules);

// Has the kernel verify the program of these rules and keeps it, so that it need only be attached.
Result<void> LoadDeviceFilter(const std::vector<DeviceRule>& rules);

// For the cgroup whose directory is open as `cgroup`, until it is removed. ENOSYS, EINVAL or EPERM:
// the kernel has no such filters.
// `present`: the rules of the filter that is there already and is replaced; null: there is none.
Result<void> AttachDeviceFilter(int cgroup, const std::vector<DeviceRule>& rules,
                                const std::vector<DeviceRule>* present = nullptr);

}  // namespace cc::agent

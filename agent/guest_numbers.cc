// SPDX-License-Identifier: Apache-2.0
#include "agent/guest_numbers.h"

#include <sys/stat.h>

#include "base/text.h"

namespace cc::agent {

namespace {

Result<Disk> Find(const DiskReference& reference) {
    auto disk = FindDisk(reference);
    if (!disk) return Fail(Cat(Describe(reference), " is not there"), ENODEV);
    return std::move(*disk);
}

// 3.0's way: the device is a mount. Those by name are what they are.
Result<void> FindMountedDisks(const NewContainer& message, ContainerSpec& spec) {
    if (!message.oci.empty()) return {};
    for (const auto& mount : message.mounts) {
        if (mount.scsi_address.empty()) continue;
        CC_ASSIGN(const Disk disk, Find({{}, mount.scsi_address, {}}));
        for (auto& made : spec.mounts)
            if (made.destination == mount.path && made.options.bind)
                made.source = Cat("/dev/", disk.name);
    }
    return {};
}

}  // namespace

std::vector<DeviceRule> RulesForGuest(const std::vector<DeviceRule>& rules,
                                      const std::vector<NumberedDisk>& disks) {
    std::vector<DeviceRule> translated;
    for (const auto& rule : rules) {
        if (rule.type == 'c' || (!rule.major && !rule.minor)) {
            translated.push_back(rule);
            continue;
        }
        if (rule.type == 'a') {
            translated.push_back(rule);
            translated.back().type = 'c';
        }
        for (const auto& [major, minor, disk] : disks)
            if (rule.major.value_or(major) == major && rule.minor.value_or(minor) == minor)
                translated.push_back({rule.allow, 'b', disk.major, disk.minor, rule.access});
    }
    return translated;
}

void NumberDevices(std::vector<DeviceSpec>& devices, const std::vector<NumberedDisk>& disks) {
    for (auto& device : devices)
        for (const auto& [major, minor, disk] : disks)
            if (device.type == S_IFBLK && device.major == major && device.minor == minor) {
                device.major = disk.major;
                device.minor = disk.minor;
                device.disk = true;
                break;
            }
}

Result<void> UseDisks(const NewContainer& message, ContainerSpec& spec) {
    CC_TRY(FindMountedDisks(message, spec));
    if (const auto root = RootDiskOf(message)) {
        CC_ASSIGN(spec.root_disk, Find(*root));
    }
    std::vector<NumberedDisk> disks;
    for (const auto& named : message.disks) {
        CC_ASSIGN(Disk disk, Find({named.serial, {}, {}}));
        disks.push_back({named.major, named.minor, std::move(disk)});
    }
    NumberDevices(spec.devices, disks);
    if (spec.resources.devices)
        spec.resources.devices = RulesForGuest(*spec.resources.devices, disks);
    return {};
}

}  // namespace cc::agent

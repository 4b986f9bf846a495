// SPDX-License-Identifier: Apache-2.0
// Disks that are plugged into the machine: finding the one that a message means.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "protocol/agent_messages.h"

namespace cc::agent {

// One of these is said, the first of them counts.
struct DiskReference {
    std::string serial;        // protocol/disk.h
    std::string scsi_address;  // 3.0: "id:lun"
    std::string name;          // 3.0: below /dev, "vda"
};
std::string Describe(const DiskReference& reference);

struct Disk {
    std::string name;  // below /dev
    uint32_t major = 0;
    uint32_t minor = 0;
    bool read_only = false;
};

// Where the kernel tells of its disks.
struct DiskPlaces {
    std::string block = "/sys/block";
    std::string scsi_disks = "/sys/class/scsi_disk";
    std::string scsi_hosts = "/sys/class/scsi_host";
    std::string devices = "/dev";
};

// None: it is not there (yet).
std::optional<Disk> FindDisk(const DiskReference& reference, const DiskPlaces& places = {});

// What the message needs besides the share.
std::optional<DiskReference> RootDiskOf(const NewContainer& message);
std::vector<DiskReference> DisksOf(const NewContainer& message);

// Blocks until all are there; the error names one that is not.
Result<void> AwaitDisks(const std::vector<DiskReference>& disks, std::chrono::milliseconds deadline,
                        const DiskPlaces& places = {});

}  // namespace cc::agent

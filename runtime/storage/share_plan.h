// SPDX-License-Identifier: Apache-2.0
// Which directories and files of the host a container sees through its sandbox's shared directory,
// and under which names there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/oci/bundle.h"

namespace cc::runtime {

struct ShareItem {
    // Below the share: "<container>/rootfs", "<container>/mounts/<n>/<last part of source>".
    std::string name;
    std::string source;  // on the host, absolute
    bool recursive = true;
    bool read_only = false;
    std::string what;  // for messages: "root file system", "mount of /etc/hosts"
};

// A bind mount on /dev/shm of a tmpfs that the engine made for it: memory of the host, which no
// process of the guest could share over a file system.
struct SharedMemory {
    int64_t bytes = 0;
    std::string mode;  // octal
};

struct SharePlan {
    std::vector<ShareItem> items;
    // Index in the configuration's mounts -> the source as the guest knows it.
    std::map<size_t, std::string> guest_sources;
    // Likewise -> what the guest gets instead.
    std::map<size_t, SharedMemory> shared_memory;
};

Result<SharePlan> PlanShare(const Bundle& bundle, const std::string& container_id);

// Sources must exist; sockets and devices among them are warned about in the log.
Result<void> CheckSources(const SharePlan& plan);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// What a container may use of its virtual machine: limits and devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cc::agent {

// A line of the list of devices; of several that cover the same access the last one decides.
struct DeviceRule {
    static constexpr uint32_t kMknod = 1, kRead = 2, kWrite = 4;  // BPF_DEVCG_ACC_...
    static constexpr uint32_t kAll = kMknod | kRead | kWrite;

    bool allow = false;
    char type = 'a';  // 'c', 'b', or 'a' for all
    std::optional<uint32_t> major;
    std::optional<uint32_t> minor;  // absent: every number
    uint32_t access = kAll;
    bool operator==(const DeviceRule&) const = default;
};

struct HugepageLimit {
    std::string page_size;  // "2MB"
    uint64_t bytes = 0;
};

// Bytes, microseconds, counts; -1: unlimited, 0: not said.
struct ResourceSpec {
    std::optional<int64_t> memory_limit;
    std::optional<int64_t> memory_reservation;
    std::optional<int64_t> memory_swap;  // memory and swap together, as OCI counts
    bool check_memory = false;           // no limit below what is in use
    std::optional<int64_t> pids_limit;
    std::optional<int64_t> cpu_quota;
    std::optional<int64_t> cpu_period;
    std::optional<int64_t> cpu_burst;
    std::optional<int64_t> cpu_shares;
    std::optional<int64_t> cpu_idle;
    std::optional<int64_t> io_weight;  // 10 .. 1000, as OCI counts
    std::vector<HugepageLimit> hugepages;
    std::vector<std::pair<std::string, std::string>> unified;  // file of the cgroup, value
    // Absent: every device may be used.
    std::optional<std::vector<DeviceRule>> devices;
};

}  // namespace cc::agent

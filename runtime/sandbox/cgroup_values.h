// SPDX-License-Identifier: Apache-2.0
// linux.resources of an OCI configuration as files of cgroups and what to write into them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace cc::runtime {

// What one value becomes in either version; a file name is empty where the version has none.
struct CgroupValue {
    std::string what;  // "memory.limit", for messages
    std::string v1_file, v1_text;
    std::string v2_file, v2_text;
};

// In the order in which they are to be written. Absent and null members give nothing. Device rules
// are the guest's.
Result<std::vector<CgroupValue>> CgroupValuesOf(const Json& resources);

// memory.limit in bytes; 0 when there is none.
int64_t MemoryLimitOf(const Json& resources);
// How much of a processor's time the quota and the set of processors let be used, in thousandths,
// rounded up; 0 when there is neither.
int64_t MillicpusOf(const Json& resources);
int64_t Millicpus(int64_t quota, int64_t period);  // microseconds; 0 or less: not given

// The controllers of v2 that hold these values ("memory", "cpu" ...), sorted.
std::vector<std::string> ControllersOf(const std::vector<CgroupValue>& values);

}  // namespace cc::runtime

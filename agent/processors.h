// SPDX-License-Identifier: Apache-2.0
// Processors that were plugged into the machine after it had booted. The kernel leaves it to us to
// take them into use.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace cc::agent {

constexpr const char* kProcessors = "/sys/devices/system/cpu";

// Takes all that are there into use, and says how many are. May take the kernel a second.
Result<int64_t> UseProcessors(const std::string& processors = kProcessors);

// Waits until so many are in use.
Result<void> AwaitProcessors(int64_t count, std::chrono::milliseconds deadline,
                             const std::string& processors = kProcessors);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Memory that was plugged into the machine after it had booted. The kernel takes it in by itself,
// in the background.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace cc::agent {

constexpr const char* kMemoryBlocks = "/sys/devices/system/memory";

// Of all blocks of memory that are in use, in MiB; the last block of a machine's first memory
// counts as a whole one.
Result<int64_t> OnlineMemoryMib(const std::string& blocks);

// Waits for that much. A kernel that does not say what it has is believed to have it.
Result<void> AwaitMemory(int64_t mib, std::chrono::milliseconds deadline,
                         const std::string& blocks = kMemoryBlocks);

}  // namespace cc::agent

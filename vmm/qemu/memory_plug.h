// SPDX-License-Identifier: Apache-2.0
// Memory for a machine that runs: a module in one of its free slots.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// `number` names the module, and is not used again. `mib`: a multiple of kMemoryBlockMib. The
// client outlives the wait.
void PlugMemory(QmpClient& qmp, int number, int64_t mib, bool shared,
                std::chrono::milliseconds deadline, std::function<void(Result<void>)> done);

// Where the next module goes, from the answer of query-memory-devices: behind all others, where a
// Linux guest can use it. 0: anywhere, as there are none.
Result<uint64_t> AddressBehind(std::string_view memory_devices);

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
// A network device for a machine that runs: a card in one of its free slots.
#pragma once

#include <chrono>
#include <functional>

#include "protocol/vm_config.h"
#include "vmm/nic.h"
#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// Of a device with several queues: an interrupt for each direction of each, one for its control
// queue and one for changes of its configuration.
constexpr size_t VectorsFor(size_t queues) {
    return 2 * queues + 2;
}

// `number`: 1 to MostNics() - 1, not plugged in yet. The back end is duplicated
// before this returns. The client outlives the wait. After a failure nothing of it is left in the
// VMM.
void PlugNic(QmpClient& qmp, MachineType machine, int number, const NicBackEnd& end,
             std::chrono::milliseconds deadline, std::function<void(Result<void>)> done);

}  // namespace cc::qemu

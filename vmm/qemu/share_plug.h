// SPDX-License-Identifier: Apache-2.0
// The share as a device that another program serves by vhost-user: in the arguments of a machine
// that boots, or plugged into one that runs and taken out again, because a machine that has it
// cannot be saved.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/vm_config.h"
#include "vmm/qemu/card.h"
#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// Flags and their values. `connection`: the number of the descriptor to the program.
std::vector<std::pair<std::string, std::string>> ServedShareArguments(const CardSlots& slots,
                                                                      int connection);

// Where it is plugged in later, of machines that need a place made for that.
std::vector<std::pair<std::string, std::string>> SharePortArguments(MachineType machine);

// The connection is duplicated before this returns. The client outlives the wait. After a failure
// nothing of it is left in the VMM.
void PlugShare(QmpClient& qmp, const CardSlots& slots, const Fd& connection,
               std::chrono::milliseconds deadline, const std::function<void(Result<void>)>& done);

// Asks the guest for the device; the event "DEVICE_DELETED" of kShareDevice tells that it has given
// it back. Then DropShare ends the connection.
constexpr const char* kShareDevice = "share0";
void AskForShare(QmpClient& qmp, std::chrono::milliseconds deadline,
                 const std::function<void(Result<void>)>& done);
void DropShare(QmpClient& qmp, std::chrono::milliseconds deadline,
               const std::function<void(Result<void>)>& done);

}  // namespace cc::qemu

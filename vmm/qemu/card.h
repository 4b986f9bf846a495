// SPDX-License-Identifier: Apache-2.0
// Network devices with something else than a tap behind them: a device of the host's, or a program
// that serves one by vhost-user. In the arguments of a machine that boots, or plugged into one that
// runs.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "protocol/vm_config.h"
#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// The machine that has them.
struct CardSlots {
    MachineType machine = MachineType::kPc;
    Acceleration acceleration = Acceleration::kKvm;  // decided: kKvm or kTcg
};

// Flags and their values.
std::vector<std::pair<std::string, std::string>> CardArguments(const CardSlots& slots,
                                                               const Card& card);

// As PlugNic.
void PlugCard(QmpClient& qmp, const CardSlots& slots, const Card& card,
              std::chrono::milliseconds deadline, std::function<void(Result<void>)> done);

// Where a device sits that was plugged in; of network devices those that machines do not begin
// with.
struct CardPlace {
    std::string bus;
    std::string slot;  // empty: the bus has one only
};
CardPlace PlaceOf(MachineType machine, int number);
// The place of this number, of PlugPlaces().
CardPlace PlaceAt(MachineType machine, int place);

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
// Processors for a machine that runs, in its free sockets.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "vmm/qemu/qmp.h"

namespace cc::qemu {

// Plugs in so many, one after the other; each that is in is counted at once. The client and the
// count outlive the wait. When there is no room for all of them, none is plugged in.
void PlugCpus(QmpClient& qmp, int64_t count, int64_t& plugged, std::chrono::milliseconds deadline,
              std::function<void(Result<void>)> done);

// The arguments of device_add for each processor that is possible and not there, lowest place
// first, from the answer of query-hotpluggable-cpus.
Result<std::vector<std::string>> FreeCpuPlaces(std::string_view hotpluggable_cpus);

}  // namespace cc::qemu

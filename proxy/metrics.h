// SPDX-License-Identifier: Apache-2.0
// The proxy's counters in the text format of Prometheus (version 0.0.4).
#pragma once

#include <chrono>
#include <string>

#include "proxy/snapshot.h"

namespace cc::proxy {

std::string PrometheusText(const Snapshot& snapshot, std::chrono::milliseconds uptime);

}  // namespace cc::proxy

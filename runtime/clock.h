// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace cc::runtime {

// "2026-11-21T23:32:54.123456789Z"
std::string NowRfc3339();
int64_t UnixTimeNs();

}  // namespace cc::runtime

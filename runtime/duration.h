// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace cc::runtime {

// As Go writes them: "5s", "1m30s", "1.5h", "300ms", "0"; units ns, us, ms, s, m, h. Nothing for
// anything else.
std::optional<std::chrono::nanoseconds> ParseDuration(std::string_view text);

}  // namespace cc::runtime

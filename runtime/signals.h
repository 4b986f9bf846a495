// SPDX-License-Identifier: Apache-2.0
// Signals as users write them.
#pragma once

#include <string_view>

#include "base/result.h"

namespace cc::runtime {

// "KILL", "SIGKILL", "kill", "9", "RTMIN+3", "SIGRTMAX-1". 0 is a signal: it only asks whether
// there is someone.
Result<int> ParseSignal(std::string_view text);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Lists of processors as the kernel and OCI configurations write them: "0-3,7".
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

// In the order of the text; numbers that no cpu_set_t holds are an error.
Result<std::vector<int>> ParseCpuList(std::string_view text);

}  // namespace cc

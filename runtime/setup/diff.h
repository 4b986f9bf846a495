// SPDX-License-Identifier: Apache-2.0
// The difference of two texts, for a person to read.
#pragma once

#include <string>
#include <string_view>

namespace cc::runtime {

// Unified, with three lines of context and without the two lines of file names; empty when the
// texts are the same.
std::string UnifiedDiff(std::string_view before, std::string_view after);

}  // namespace cc::runtime

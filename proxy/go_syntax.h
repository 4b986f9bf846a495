// SPDX-License-Identifier: Apache-2.0
// What Go's decoder says about text that is not JSON: 3.0 answers a bad payload with these words
// (reference A5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cc::proxy {

// Nothing when the syntax is right.
std::optional<std::string> GoSyntaxError(std::string_view text);

}  // namespace cc::proxy

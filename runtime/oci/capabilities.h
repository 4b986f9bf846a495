// SPDX-License-Identifier: Apache-2.0
// The capabilities that the guest's kernel has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cc::runtime {

// In the order of their numbers.
const std::vector<std::string>& CapabilityNames();
// In capitals or not, with and without "CAP_", as the agent reads them.
bool IsCapability(std::string_view name);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The environment a process begins with.
#pragma once

#include <string>
#include <vector>

namespace cc::agent {

// Of a variable that is given twice the last one counts, as with runc; the others keep their order.
// HOME is `home` when it is not given or empty.
std::vector<std::string> Environment(const std::vector<std::string>& given,
                                     const std::string& home);

}  // namespace cc::agent

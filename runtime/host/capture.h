// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cc::runtime {

// What a program prints on standard output. It gets no input and 10 s; an exit status other than 0
// is an error, with the last line it printed on standard error.
Result<std::string> Capture(const std::string& executable,
                            const std::vector<std::string>& arguments);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cc {
// cc-shim; arguments without argv[0]. Returns the exit status.
int ShimMain(const std::vector<std::string>& arguments);
}  // namespace cc

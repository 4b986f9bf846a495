// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cc {
// cc-runtime; arguments without argv[0]. Returns the exit status.
int RuntimeMain(const std::vector<std::string>& arguments);
}  // namespace cc

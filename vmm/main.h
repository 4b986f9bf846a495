// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cc {
// cc-vmm; arguments without argv[0]. Returns the exit status.
int VmmMain(const std::vector<std::string>& arguments);
}  // namespace cc

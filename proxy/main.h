// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cc {
// cc-proxy; arguments without argv[0]. Returns the exit status.
int ProxyMain(const std::vector<std::string>& arguments);
}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// What cc-shim(8) says beside the options.
#pragma once

#include <vector>

#include "base/cli.h"

namespace cc::shim {

std::vector<CliSection> ManualSections();

}  // namespace cc::shim

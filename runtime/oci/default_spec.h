// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace cc::runtime {

// config.json for a shell in ./rootfs, to begin with; what `spec` writes.
std::string DefaultSpec();

}  // namespace cc::runtime

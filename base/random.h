// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace cc {

// From the kernel's generator; good for keys. At most 256 bytes, which it gives whole.
Result<std::string> RandomBytes(size_t count);

}  // namespace cc

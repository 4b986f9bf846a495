// SPDX-License-Identifier: Apache-2.0
// What ps shows of this process.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cc {

// `name` becomes the name (at most 15 bytes are kept), `words` the command line. They are written
// over the words the program was started with, so nobody may look at main's argv afterwards, and
// what does not fit there is cut.
Result<void> SetProcessTitle(const std::string& name, const std::vector<std::string>& words);

}  // namespace cc

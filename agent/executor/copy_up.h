// SPDX-License-Identifier: Apache-2.0
// A new tmpfs that starts with what the directory below it holds (the mount option "tmpcopyup").
#pragma once

#include "base/result.h"

namespace cc::agent {

// Copies directories, files, links and device nodes with owner and mode; what is mounted below is
// not followed.
Result<void> CopyUp(int from, int to);

}  // namespace cc::agent

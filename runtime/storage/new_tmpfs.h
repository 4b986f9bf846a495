// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.h"

namespace cc::runtime {

// An empty one that is mounted nowhere yet. `source`: what a mount table shows.
Result<Fd> NewTmpfs(const std::string& source);
// Of a mount that only this descriptor names, or of one that is in its place.
Result<void> MakeReadOnly(const Fd& tree);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The root file system that a guest rehearses with (protocol/rehearsal.h).
#pragma once

#include "base/fd.h"

namespace cc {

// Makes it in an open directory, and takes it away. Removing what is not there is no error.
Result<void> MakeRehearsalRoot(int directory);
void RemoveRehearsalRoot(int directory);

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// What the VMM's process may do, set in it before it executes the VMM.
#pragma once

#include "base/result.h"

namespace cc {

// Only the capabilities by which the file server inside the VMM gives files their owners, modes and
// devices; none can be gained again. No core dumps (they would hold the guest's memory), as many
// descriptors as allowed (each file that the guest has open is one).
Result<void> ConfineVmm();

}  // namespace cc

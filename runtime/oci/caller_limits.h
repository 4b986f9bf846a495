// SPDX-License-Identifier: Apache-2.0
// Limits of resources that a configuration leaves out. A container of the host inherits its
// caller's (dockerd's, a shell's); the guest's own would be those of a small machine.
#pragma once

#include "base/json.h"

namespace cc::runtime {

// To an OCI process object, for each type that it does not name.
void AddCallerLimits(Json& process);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The system call filter of a container.
#pragma once

#include "agent/spec.h"

namespace cc::agent {

// Puts the filter on the calling process, which needs no_new_privs or CAP_SYS_ADMIN. Rules for
// system calls that this architecture or library does not know are passed over, as nothing could
// call them.
Result<void> LoadSeccomp(const SeccompSpec& spec);

}  // namespace cc::agent

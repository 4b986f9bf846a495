// SPDX-License-Identifier: Apache-2.0
// The system call filter of a container. It is made on the host, which takes milliseconds for what
// takes an emulated guest a tenth of a second, and put on in the guest.
#pragma once

#include <optional>

#include "protocol/seccomp_filter.h"
#include "seccomp/rules.h"

namespace cc {

// Rules for system calls that this architecture or library does not know are passed over, as
// nothing could call them. x32 is left out, and its calls are answered with ENOSYS, as by the
// kernels of our guests, which do not have it.
Result<SeccompFilter> CompileSeccomp(const SeccompSpec& spec);
// Of a linux.seccomp object; errors name the field.
Result<SeccompFilter> CompileSeccomp(const Json& json);
// Puts the filter, if there is one, on the calling process, which needs no_new_privs or
// CAP_SYS_ADMIN.
Result<void> LoadSeccomp(const std::optional<SeccompFilter>& filter);

}  // namespace cc

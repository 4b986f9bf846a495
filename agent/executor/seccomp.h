// SPDX-License-Identifier: Apache-2.0
// The system call filter of a container.
#pragma once

#include <vector>

#include <linux/filter.h>

#include "agent/spec.h"

namespace cc::agent {

struct SeccompFilter {
    std::vector<sock_filter> program;  // empty: no filter
    unsigned flags = 0;                // SECCOMP_FILTER_FLAG_...
};

// Rules for system calls that this architecture or library does not know are passed over, as
// nothing could call them. Done before the process gets its limits, which may be too tight for it.
Result<SeccompFilter> CompileSeccomp(const std::optional<SeccompSpec>& spec);
// Puts the filter on the calling process, which needs no_new_privs or CAP_SYS_ADMIN.
Result<void> LoadSeccomp(const SeccompFilter& filter);

}  // namespace cc::agent

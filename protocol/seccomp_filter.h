// SPDX-License-Identifier: Apache-2.0
// A system call filter as the kernel takes it, on the wire: "seccomp" of NEWCONTAINER, an object
// with the program in "program", hexadecimal, eight bytes of struct sock_filter an instruction, and
// "flags". Host and guest are of one architecture.
#pragma once

#include <vector>

#include <linux/filter.h>

#include "base/json.h"
#include "base/result.h"

namespace cc {

struct SeccompFilter {
    std::vector<sock_filter> program;  // 1 to BPF_MAXINSNS
    unsigned flags = 0;                // SECCOMP_FILTER_FLAG_...
};
Json ToJson(const SeccompFilter& filter);
// The kernel checks the program.
Result<SeccompFilter> ParseSeccompFilter(const Json& json);

}  // namespace cc

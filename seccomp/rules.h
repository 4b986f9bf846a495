// SPDX-License-Identifier: Apache-2.0
// The rules of a system call filter, as linux.seccomp of an OCI configuration has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace cc {

struct SeccompArgument {
    uint32_t index = 0;
    uint64_t value = 0;
    uint64_t value_two = 0;
    std::string op;  // "SCMP_CMP_EQ" ...
};
struct SeccompRule {
    std::vector<std::string> names;
    std::string action;
    std::optional<uint32_t> errno_value;
    std::vector<SeccompArgument> arguments;
};
struct SeccompSpec {
    std::string default_action;  // "SCMP_ACT_ERRNO" ...
    std::optional<uint32_t> default_errno;
    std::vector<std::string> architectures;
    bool log = false;                  // SECCOMP_FILTER_FLAG_LOG
    bool speculation_allowed = true;   // SECCOMP_FILTER_FLAG_SPEC_ALLOW
    bool synchronise_threads = false;  // SECCOMP_FILTER_FLAG_TSYNC
    std::vector<SeccompRule> rules;
};

// Of a linux.seccomp object. Names of calls, actions, operators and architectures are looked at
// only when a filter is made of it.
Result<SeccompSpec> ReadSeccomp(const Json& json);

}  // namespace cc

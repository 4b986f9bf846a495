// SPDX-License-Identifier: Apache-2.0
// Who a process runs as: names looked up in a container's own /etc/passwd and /etc/group.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spec.h"

namespace cc::agent {

struct Identity {
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::vector<uint32_t> groups;
    std::string home = "/";
};

// `passwd` and `group` are the texts of the two files; broken lines in them are passed over.
Result<Identity> ResolveUser(const UserSpec& user, std::string_view passwd, std::string_view group);

}  // namespace cc::agent

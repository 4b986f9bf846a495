// SPDX-License-Identifier: Apache-2.0
// What can be known to be wrong before anything is started.
#pragma once

#include "protocol/vm_config.h"

namespace cc {

struct Preflight {
    int64_t image_bytes = 0;
    std::string warning;  // something that will work, but not as well as it should
};

// The error says what is wrong with which path and which setting names it.
Result<Preflight> CheckVmConfig(const VmConfig& config);

// Alone and first, because all logs and sockets go there: an absolute path to a directory that no
// one else can write to.
Result<void> CheckVmDirectory(const std::string& directory);

}  // namespace cc

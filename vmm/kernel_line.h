// SPDX-License-Identifier: Apache-2.0
// The guest kernel's command line: the same for every engine.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/vm_config.h"

namespace cc {

struct KernelLineFacts {
    bool emulated = true;
    int64_t tsc_khz = 0;  // of the host; 0: unknown or not stable
};

// Ours first, the user's last, so that theirs win. Longer than what a kernel takes is an error: it
// would be cut silently.
Result<std::string> KernelLine(const VmConfig& config, const KernelLineFacts& facts);

// Whether the root image can be shown to the guest: microvm has no nvdimm.
inline bool HasRootImage(const VmConfig& config) {
    return !config.image.empty() && config.machine != MachineType::kMicrovm;
}

}  // namespace cc

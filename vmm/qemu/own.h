// SPDX-License-Identifier: Apache-2.0
// QEMU as `make qemu` builds it (own/), and how to tell it from others: by the name of its file.
// What it does that others do not: clones take the guest's code as the template has translated it
// (-accel tcg,record-fd= and archive-fd=), and it needs no library of ours (preload.h).
#pragma once

#include <string_view>

#include "protocol/vm_config.h"

namespace cc::qemu {

inline bool IsOwnQemu(std::string_view program) {
    return program.substr(program.rfind('/') + 1) == kOwnQemuName;
}

}  // namespace cc::qemu

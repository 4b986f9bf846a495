// SPDX-License-Identifier: Apache-2.0
// A clone's memory where a private view of the template's is not enough: a file of its own.
#pragma once

#include <cstdint>

#include "base/fd.h"

namespace cc {

struct MemoryCopy {
    Fd memory;          // a file in memory, as large as the template's
    int64_t bytes = 0;  // that were copied: what the template's guest has touched
};

Result<MemoryCopy> CopyMemory(const Fd& from);

}  // namespace cc

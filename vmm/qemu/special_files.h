// SPDX-License-Identifier: Apache-2.0
// FIFOs, sockets and devices that a guest makes in shared directories. Programs have sockets there
// (databases, for one), and Debian's QEMU removes each that it makes; preload/special_files.c says
// why, and mends it.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace cc::qemu {

// The library, which is a part of this program, in a sealed file without a name, for LD_PRELOAD to
// find by the number that QEMU gets it with.
Result<Fd> SpecialFilesLibrary();

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
// What Debian's QEMU does otherwise than we need, mended by functions that it finds in a library
// before those of the C library (preload/): special files in shared directories, and memory that
// clones have a private view of. Our own QEMU (own/) is built with the same.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace cc::qemu {

// The library, which is a part of this program, in a sealed file without a name, for LD_PRELOAD to
// find by the number that QEMU gets it with.
Result<Fd> PreloadLibrary();

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
// Opening a block device of the host's by its number, whatever is in /dev and under which name.
#pragma once

#include <sys/types.h>

#include "base/fd.h"

namespace cc::runtime {

// `flags` as of open(2). Nothing is left in any file system.
Result<Fd> OpenBlockDevice(dev_t device, int flags);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Mounts that exist only as a descriptor, until the VM's keeper attaches them in a mount namespace
// of its own. The host's namespace never sees them, so nothing there can be left behind.
#pragma once

#include <string>

#include "base/fd.h"
#include "runtime/storage/share_plan.h"

namespace cc::runtime {

// A copy of the mount tree at item.source. Mounts made and removed on the host later still reach
// it; none made in it comes back.
Result<Fd> CloneMount(const ShareItem& item);

}  // namespace cc::runtime

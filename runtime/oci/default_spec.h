// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace cc::runtime {

// config.json for a shell in ./rootfs, to begin with; what `spec` writes.
std::string DefaultSpec();
// The same for a user without root's rights: a user namespace that maps `uid` and `gid` to root, no
// network of its own, the host's /sys.
std::string RootlessSpec(unsigned uid, unsigned gid);

}  // namespace cc::runtime

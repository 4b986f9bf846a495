// SPDX-License-Identifier: Apache-2.0
// Mount namespaces beside the one that this process lives in.
#pragma once

#include <functional>

#include "base/fd.h"

namespace cc {

// One with all mounts of ours, and with those that we make and remove later; none that is made in
// it comes back. It lives as long as the descriptor, or a process in it, does.
Result<Fd> MakeMountNamespace();

// Calls `work` in that namespace, and returns when it has. In a thread of its own: nobody finds
// this process there, not for a moment.
Result<void> RunInMountNamespace(int mount_namespace, const std::function<Result<void>()>& work);

}  // namespace cc

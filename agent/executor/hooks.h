// SPDX-License-Identifier: Apache-2.0
// The startContainer hooks of a container, run inside of it before its process.
#pragma once

#include "agent/spec.h"

namespace cc::agent {

// Called in the child, in the container's namespaces and root, before it gives up its privileges:
// the hooks run as root with the capabilities of the process' bounding set. The first failure is
// the error.
Result<void> RunStartHooks(const ContainerSpec& spec);

}  // namespace cc::agent

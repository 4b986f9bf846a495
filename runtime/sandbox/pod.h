// SPDX-License-Identifier: Apache-2.0
// What Kubernetes engines say in annotations about a container's part in a pod (reference D6).
#pragma once

#include "runtime/oci/spec.h"

namespace cc::runtime {

// A container that shall join another's sandbox cannot be made yet, and must not get a machine of
// its own silently.
Result<void> CheckPodRole(const OciSpec& spec);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Paths in linux.namespaces.
#pragma once

#include <vector>

#include "base/result.h"
#include "runtime/oci/spec.h"

namespace cc::runtime {

// Each path must be that of a namespace of the type beside it, also where only a new one is made
// in the guest: a mistake in a configuration is not to pass for a limitation. Those of `shared`
// stand for containers of the pod, which may have ended.
Result<void> CheckNamespacePaths(const std::vector<OciNamespace>& namespaces,
                                 const NamespaceOwners& shared = {});

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// What a configuration may ask for that has no effect on a container in a VM: it is about the
// host's kernel, which the container does not run on.
#pragma once

#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace cc::runtime {

// One text a setting, its name first: "process.apparmorProfile: the guest has no AppArmor".
// `shared`: namespaces whose paths do mean something.
std::vector<std::string> WithoutEffect(const Json& config, const NamespaceOwners& shared = {});

}  // namespace cc::runtime

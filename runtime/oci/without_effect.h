// SPDX-License-Identifier: Apache-2.0
// What a configuration may ask for that has no effect on a container in a VM: it is about the
// host's kernel, which the container does not run on.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace cc::runtime {

// One text a setting, its name first: "process.apparmorProfile: the guest has no AppArmor".
std::vector<std::string> WithoutEffect(const Json& config);

}  // namespace cc::runtime

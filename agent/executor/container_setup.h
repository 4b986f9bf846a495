// SPDX-License-Identifier: Apache-2.0
// Making a container around its first process: names, kernel parameters, file system.
#pragma once

#include <optional>
#include <string>

#include "agent/executor/terminal.h"
#include "agent/spec.h"

namespace cc::agent {

// Called in the container's new namespaces, with the agent's root still in view and the VM's
// privileges; afterwards "/" is the container's root. `share`: the shared directory. Returns the
// terminal of the first process, when it has one.
Result<std::optional<Terminal>> MakeContainer(const ContainerSpec& spec, const std::string& share);

}  // namespace cc::agent

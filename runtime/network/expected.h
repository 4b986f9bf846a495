// SPDX-License-Identifier: Apache-2.0
// Whether a container will have a network, before the engine has made it.
#pragma once

#include <string_view>

#include "runtime/oci/spec.h"

namespace cc::runtime {

// Docker writes the address that a container is about to get beside its hostname into the file that
// it mounts on /etc/hosts. Only a guess, which decides what is prepared and not what is done.
bool ExpectsNetwork(const OciSpec& spec);

// Whether a file like /etc/hosts has an address for the name that others can reach.
bool HasAddress(std::string_view hosts, std::string_view name);

}  // namespace cc::runtime

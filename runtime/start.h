// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/state/store.h"

namespace cc::runtime {

// Starts the process of a created container. After a failure the container is stopped: its shim has
// ended.
Result<void> StartContainer(const Store& store, const std::string& id);

}  // namespace cc::runtime

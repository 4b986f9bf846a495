// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/state/store.h"

namespace cc::runtime {

// With `force` also one that runs, and an id that does not exist is success.
Result<void> DeleteContainer(const Store& store, const std::string& id, bool force);

}  // namespace cc::runtime

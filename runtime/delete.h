// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/state/store.h"

namespace cc::runtime {

// With `force` also one that runs, and an id that does not exist is success.
// `kill_after`: for RemoveContainer.
Result<void> DeleteContainer(const Store& store, const std::string& id, bool force,
                             std::string_view kill_after = "");

}  // namespace cc::runtime

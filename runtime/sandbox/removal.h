// SPDX-License-Identifier: Apache-2.0
// Taking a container away with all that belongs to it. Any part of it may be dead or gone already.
#pragma once

#include "runtime/state/store.h"

namespace cc::runtime {

// The caller holds the container's lock. Returns when shim, VM and keeper are gone and the state is
// removed.
Result<void> RemoveContainer(const Store& store, const ContainerRecord& container);

}  // namespace cc::runtime

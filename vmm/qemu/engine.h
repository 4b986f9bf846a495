// SPDX-License-Identifier: Apache-2.0
// QEMU as the keeper's engine.
#pragma once

#include <memory>

#include "base/uv/loop.h"
#include "vmm/engine.h"

namespace cc::qemu {

// Starts QEMU; it has the descriptors of the plan afterwards. What goes wrong before its process
// runs is the error; what goes wrong later comes with on_end. Callbacks run from the loop, never
// from within this call.
Result<std::unique_ptr<Engine>> StartEngine(uv::Loop& loop, EnginePlan plan,
                                            EngineCallbacks callbacks);

}  // namespace cc::qemu

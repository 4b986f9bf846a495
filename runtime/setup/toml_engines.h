// SPDX-License-Identifier: Apache-2.0
// The engines that are configured in TOML.
#pragma once

#include "runtime/setup/engine.h"

namespace cc::runtime {

// config.toml of versions 2 and 3: a handler of the CRI plugin. No drop-in, because an imported
// file replaces all of a plugin's settings (containerd 1.6).
Result<EngineEdit> EditContainerd(const EngineFile& file, const SetupWish& wish);
Result<EngineEdit> EditPodman(const EngineFile& file, const SetupWish& wish);
Result<EngineEdit> EditCrio(const EngineFile& file, const SetupWish& wish);

}  // namespace cc::runtime

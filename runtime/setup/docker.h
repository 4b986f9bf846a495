// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/setup/engine.h"

namespace cc::runtime {

Result<EngineEdit> EditDocker(const EngineFile& file, const SetupWish& wish);

}  // namespace cc::runtime

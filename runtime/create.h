// SPDX-License-Identifier: Apache-2.0
// What `create` and `run` share.
#pragma once

#include "runtime/app.h"
#include "runtime/sandbox/creation.h"

namespace cc::runtime {

// Checks the options of CreateOptions().
Result<CreateRequest> ReadCreateRequest(const App& app, const CliValues& own, bool detach);
// Prints the steps when --list-steps asks for them; true then.
bool ListSteps(const CliValues& own);

}  // namespace cc::runtime

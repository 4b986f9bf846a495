// SPDX-License-Identifier: Apache-2.0
// System calls that may block for long (mounting, unmounting, sync) run in a child, so that the
// loop goes on meanwhile.
#pragma once

#include <chrono>
#include <functional>

#include "agent/reaper.h"
#include "base/uv/loop.h"

namespace cc::agent {

// `work` runs in a forked child in the same namespaces; `done` gets its result, or an error at the
// deadline (the child is killed then). `what` names the work in errors.
void RunInChild(uv::Loop& loop, Reaper& reaper, std::string what,
                std::chrono::milliseconds deadline, const std::function<Result<void>()>& work,
                std::function<void(Result<void>)> done);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// The hooks of an OCI configuration: programs that are run at turning points of a container's life.
// The host runs all but startContainer, which runs in the guest.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/process.h"

namespace cc {

struct OciHook {
    std::string path;                             // absolute
    std::vector<std::string> args;                // argv; empty: the path alone
    std::optional<std::vector<std::string>> env;  // "NAME=value"; absent: the runner's own
    std::optional<std::chrono::seconds> timeout;  // absent: none
};

// All stages, in the order in which they come: "prestart", "createRuntime" ...
inline constexpr std::string_view kHookStages[] = {
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};

// The hooks of one stage of a configuration, in their order; errors name the hook.
Result<std::vector<OciHook>> ParseHooks(const Json& configuration, std::string_view stage);

// What to run, for RunToEnd.
SpawnOptions SpawnOptionsOf(const OciHook& hook);

}  // namespace cc

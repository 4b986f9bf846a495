// SPDX-License-Identifier: Apache-2.0
#include "protocol/oci_hooks.h"

#include "base/json_full.h"

namespace cc {

namespace {

constexpr int64_t kLongestTimeout = 24 * 60 * 60;  // seconds

Result<OciHook> ParseHook(const Json& json) {
    if (!json.is_object()) return Fail("must be an object");
    OciHook hook;
    CC_ASSIGN(hook.path, TextMember(json, "path"));
    if (!hook.path.starts_with('/'))
        return Fail(Cat("\"path\" must be an absolute path, not ", Quoted(hook.path)));
    CC_ASSIGN(hook.args, TextsMember(json, "args"));
    if (Member(json, "env") != nullptr) {
        CC_ASSIGN(hook.env, TextsMember(json, "env"));
    }
    if (Member(json, "timeout") != nullptr) {
        CC_ASSIGN(const int64_t seconds, IntMember(json, "timeout", 0, 1, kLongestTimeout));
        hook.timeout = std::chrono::seconds(seconds);
    }
    return hook;
}

}  // namespace

Result<std::vector<OciHook>> ParseHooks(const Json& configuration, std::string_view stage) {
    std::vector<OciHook> hooks;
    CC_ASSIGN(const Json* all, ObjectMember(configuration, "hooks"));
    if (all == nullptr) return hooks;
    CC_ASSIGN(const Json* list, Context("hooks", ArrayMember(*all, stage)));
    if (list == nullptr) return hooks;
    for (const Json& entry : *list) {
        CC_ASSIGN(OciHook hook,
                  Context(Cat("hooks.", stage, "[", hooks.size(), "]"), ParseHook(entry)));
        hooks.push_back(std::move(hook));
    }
    return hooks;
}

SpawnOptions SpawnOptionsOf(const OciHook& hook) {
    SpawnOptions options;
    options.executable = hook.path;
    options.arguments = hook.args.empty() ? std::vector{hook.path} : hook.args;
    options.environment = hook.env;
    return options;
}

}  // namespace cc

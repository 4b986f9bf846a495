// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/hooks.h"

#include <sys/stat.h>

#include "base/run_to_end.h"
#include "base/text.h"

namespace cc::agent {

Result<void> RunStartHooks(const ContainerSpec& spec) {
    for (size_t i = 0; i < spec.start_hooks.size(); ++i) {
        const OciHook& hook = spec.start_hooks[i];
        SpawnOptions options = SpawnOptionsOf(hook);
        // The agent's own environment is nobody's business.
        if (!options.environment) options.environment.emplace();
        options.no_fork_handlers = true;
        options.in_child = [&] {
            ::umask(spec.process.umask);
            return LimitBounding(spec.process.capabilities.bounding);
        };
        CC_TRY(Context(Cat("hook startContainer[", i, "], ", hook.path),
                       RunToEnd(std::move(options), spec.hook_state, hook.timeout)));
    }
    return {};
}

}  // namespace cc::agent

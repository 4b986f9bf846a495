// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "runtime/app.h"
#include "runtime/state/report.h"
#include "runtime/verbs.h"

namespace cc::runtime {

CliCommand StateVerb() {
    return {.name = "state",
            .help = "show the state of a container as JSON",
            .options = {ContainerId()},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const Store store, app.OpenStore());
                CC_ASSIGN(const ContainerRecord container,
                          store.LoadContainer(own.Get("container-id")));
                // Like runc's, without a newline.
                std::fputs(StateText({container, CurrentStatus(container, store)}).c_str(), stdout);
                return 0;
            })};
}

}  // namespace cc::runtime

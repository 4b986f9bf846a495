// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "runtime/app.h"
#include "runtime/host/checks.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<int> CheckMachine(App& app, const CliValues&) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    const auto checks = CheckHost(config);
    std::fputs(Table(checks).c_str(), stdout);
    if (!AllWell(checks)) return Fail("System is not capable of running Clear Containers");
    std::puts("System is capable of running Clear Containers");
    return 0;
}

}  // namespace

CliCommand CheckVerb(const std::string& name) {
    return {.name = name,
            .help = "tell whether containers can run on this machine; the exit status is 1 if not",
            .options = {},
            .stop_at_positional = false,
            .run = Run(CheckMachine)};
}

}  // namespace cc::runtime

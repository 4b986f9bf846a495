// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/json_full.h"
#include "runtime/app.h"
#include "runtime/host/environment.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<int> Env(App& app, const CliValues& own) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    const Json environment = DescribeEnvironment(config);
    const std::string text =
        own.Has("json") ? DumpJsonPretty(environment, 2) + "\n" : ToToml(environment);
    std::fputs(text.c_str(), stdout);
    return 0;
}

}  // namespace

CliCommand EnvVerb(const std::string& name) {
    return {.name = name,
            .help = "show what this installation is made of, as TOML",
            .options = {{.names = "--json", .value = "", .help = "as JSON"}},
            .stop_at_positional = false,
            .run = Run(Env)};
}

}  // namespace cc::runtime

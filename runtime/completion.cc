// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/cli_text.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/verbs.h"

namespace cc::runtime {

CliCommand CompletionVerb() {
    return {.name = "completion",
            .help = "print a script that completes this program's command lines",
            .options = {{.names = "shell",
                         .value = "bash",
                         .help = "the shell; only bash is known",
                         .required = true}},
            .stop_at_positional = false,
            .run = Run([](App&, const CliValues& own) -> Result<int> {
                if (const std::string shell = own.Get("shell"); shell != "bash")
                    return Fail(Cat("no completion for ", Quoted(shell, 32), ", only for bash"));
                std::fputs(BashCompletion(RuntimeProgram()).c_str(), stdout);
                return 0;
            })};
}

}  // namespace cc::runtime

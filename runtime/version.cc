// SPDX-License-Identifier: Apache-2.0
#include "base/version.h"

#include <cstdio>

#include "base/text.h"
#include "runtime/app.h"
#include "runtime/verbs.h"

namespace cc::runtime {

std::string VersionText() {
    return Cat("cc-runtime  : ", kRelease, "\n   commit   : ", kCommit,
               "\n   OCI specs: ", kOciVersion);
}

CliCommand VersionVerb() {
    return {.name = "version",
            .help = "show the version",
            .options = {},
            .stop_at_positional = false,
            .run = Run([](App&, const CliValues&) -> Result<int> {
                std::printf("%s\n", VersionText().c_str());
                return 0;
            })};
}

}  // namespace cc::runtime

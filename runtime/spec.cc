// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/text.h"
#include "runtime/app.h"
#include "runtime/oci/default_spec.h"
#include "runtime/verbs.h"

namespace cc::runtime {

CliCommand SpecVerb() {
    return {.name = "spec",
            .help = "write a config.json to begin with",
            .options = {{.names = "-b,--bundle",
                         .value = "DIR",
                         .help = "where to (default: the current directory)"},
                        {.names = "--rootless",
                         .value = "",
                         .help = "with a user namespace that maps the caller to root"}},
            .stop_at_positional = false,
            .run = Run([](App&, const CliValues& own) -> Result<int> {
                const std::string path = Cat(own.Get("bundle", "."), "/config.json");
                if (Exists(path))
                    return Fail(Cat("file ", path, " exists. Remove it first"), EEXIST);
                const std::string text =
                    own.Has("rootless") ? RootlessSpec(::geteuid(), ::getegid()) : DefaultSpec();
                CC_TRY(WriteFileAtomic(path, text, 0644));
                return 0;
            })};
}

}  // namespace cc::runtime

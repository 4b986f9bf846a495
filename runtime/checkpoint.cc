// SPDX-License-Identifier: Apache-2.0
// Verbs of runc that a virtual machine has no answer to. They are there, with runc's options, so
// that whoever asks gets a reason instead of "unknown command".
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

constexpr const char* kWithValue[] = {"-b,--bundle",
                                      "--console-socket",
                                      "--empty-ns",
                                      "--image-path",
                                      "--lsm-mount-context",
                                      "--lsm-profile",
                                      "--manage-cgroups-mode",
                                      "--page-server",
                                      "--parent-path",
                                      "--pid-file",
                                      "--preserve-fds",
                                      "--status-fd",
                                      "--work-path"};
constexpr const char* kFlags[] = {"--auto-dedup", "-d,--detach",      "--ext-unix-sk",
                                  "--file-locks", "--lazy-pages",     "--leave-running",
                                  "--no-pivot",   "--no-subreaper",   "--pre-dump",
                                  "--shell-job",  "--tcp-established"};

CliCommand Unsupported(const std::string& name) {
    std::vector<CliOption> options = {ContainerId()};
    for (const char* names : kWithValue)
        options.push_back({.names = names, .value = "VALUE", .help = "ignored"});
    for (const char* names : kFlags)
        options.push_back({.names = names, .value = "", .help = "ignored"});
    return {.name = name,
            .help = "not supported",
            .options = std::move(options),
            .stop_at_positional = false,
            .run = Run([name](App&, const CliValues&) -> Result<int> {
                return Fail(Cat(name, " is not supported: CRIU cannot look into a virtual machine"),
                            ENOTSUP);
            }),
            .hidden = true};
}

}  // namespace

CliCommand CheckpointVerb() {
    return Unsupported("checkpoint");
}
CliCommand RestoreVerb() {
    return Unsupported("restore");
}

}  // namespace cc::runtime

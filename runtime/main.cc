// SPDX-License-Identifier: Apache-2.0
#include "runtime/main.h"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>

#include "base/fd.h"
#include "runtime/app.h"
#include "runtime/verbs.h"

namespace cc {

namespace runtime {

CliProgram RuntimeProgram() {
    CliProgram program;
    program.name = "cc-runtime";
    program.help = "runs OCI containers, each in a virtual machine of its own";
    program.version = VersionText();
    program.options = GlobalOptions();
    program.sections = ManualSections;
    program.commands = {CreateVerb(),
                        StartVerb(),
                        RunVerb(),
                        StateVerb(),
                        ListVerb(),
                        KillVerb(),
                        DeleteVerb(),
                        ExecVerb(),
                        PsVerb(),
                        PauseVerb(),
                        ResumeVerb(),
                        UpdateVerb(),
                        EventsVerb(),
                        SpecVerb(),
                        FeaturesVerb(),
                        CheckVerb("check"),
                        CheckVerb("cc-check"),
                        EnvVerb("env"),
                        EnvVerb("cc-env"),
                        CollectVerb(),
                        CompletionVerb(),
                        TemplateVerb(),
                        SetupVerb(),
                        FollowNetworkVerb(),
                        ForwardVerb(),
                        VersionVerb(),
                        CheckpointVerb(),
                        RestoreVerb()};
    return program;
}

}  // namespace runtime

namespace {

// Closed ones would be given to the first files that are opened, and those to the container as its
// stdio.
Result<void> FillStandardFds() {
    while (true) {
        CC_ASSIGN(Fd null, OpenFile("/dev/null", O_RDWR));
        if (null.get() > 2) return {};
        (void)null.Release();
    }
}

}  // namespace

int RuntimeMain(const std::vector<std::string>& arguments) {
    if (auto filled = FillStandardFds(); !filled) return 1;
    CliProgram program = runtime::RuntimeProgram();
    // The one thing to do that needs no verb.
    const auto verb =
        std::find_if(arguments.begin(), arguments.end(), [&](const std::string& argument) {
            return std::any_of(program.commands.begin(), program.commands.end(),
                               [&](const CliCommand& command) { return command.name == argument; });
        });
    if (std::find(arguments.begin(), verb, "--cc-show-default-config-paths") != verb) {
        for (const auto& path : runtime::DefaultConfigPaths())
            std::printf("%s\n", path.c_str());
        return 0;
    }
    return RunCli(program, arguments);
}

}  // namespace cc

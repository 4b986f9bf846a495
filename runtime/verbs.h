// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line, one file each.
#pragma once

#include <string>

#include "base/cli.h"

namespace cc::runtime {

// The whole command line.
CliProgram RuntimeProgram();

CliCommand CreateVerb();
CliCommand StartVerb();
CliCommand RunVerb();
CliCommand StateVerb();
CliCommand ListVerb();
CliCommand KillVerb();
CliCommand DeleteVerb();
CliCommand ExecVerb();
CliCommand PauseVerb();
CliCommand ResumeVerb();
CliCommand PsVerb();
CliCommand EventsVerb();
CliCommand UpdateVerb();
CliCommand SpecVerb();
CliCommand FeaturesVerb();
CliCommand CheckVerb(const std::string& name);  // 3.0 calls it cc-check
CliCommand EnvVerb(const std::string& name);    // cc-env
CliCommand CollectVerb();
CliCommand CompletionVerb();
CliCommand TemplateVerb();
CliCommand SetupVerb();
CliCommand FollowNetworkVerb();
CliCommand ForwardVerb();
CliCommand VersionVerb();
CliCommand CheckpointVerb();
CliCommand RestoreVerb();

// The text of --version and of `version`.
std::string VersionText();

}  // namespace cc::runtime

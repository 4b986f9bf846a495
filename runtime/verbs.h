// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line, one file each.
#pragma once

#include "base/cli.h"

namespace cc::runtime {

CliCommand CreateVerb();
CliCommand StartVerb();
CliCommand RunVerb();
CliCommand StateVerb();
CliCommand ListVerb();
CliCommand PauseVerb();
CliCommand ResumeVerb();
CliCommand PsVerb();
CliCommand EventsVerb();
CliCommand UpdateVerb();
CliCommand KillVerb();
CliCommand DeleteVerb();
CliCommand ExecVerb();
CliCommand SpecVerb();
CliCommand VersionVerb();

// The text of --version and of `version`.
std::string VersionText();

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Texts made of a program's table, for those who do not ask the program itself.
#pragma once

#include <string>

#include "base/cli.h"

namespace cc {

// In roff, section 8.
std::string ManPage(const CliProgram& program);

// For /usr/share/bash-completion/completions. Values are completed by what stands for them in the
// table: FILE, PATH and DIR are files, SIGNAL signals, ID what `PROGRAM list -q` prints.
std::string BashCompletion(const CliProgram& program);

}  // namespace cc

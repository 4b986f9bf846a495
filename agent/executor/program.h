// SPDX-License-Identifier: Apache-2.0
// Finding and executing a program. The errors have the words in which container engines look for
// the reason
// ("executable file not found in $PATH").
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// Where the program is, as a shell would look for it in the PATH of `env`.
Result<std::string> FindProgram(const std::string& name, const std::vector<std::string>& env);
// execve(2); returns only with an error.
Result<void> Execute(const std::string& program, const std::vector<std::string>& args,
                     const std::vector<std::string>& env);

}  // namespace cc::agent

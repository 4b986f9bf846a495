// SPDX-License-Identifier: Apache-2.0
// The machine's console, where PID 1 says what went wrong.
#pragma once

#include <string>
#include <string_view>

namespace cc::agent {

// Standard streams for a PID 1 that the kernel started without any: input from nowhere, output to
// the console.
void OpenConsole();
// One line on the console, then the machine is switched off: without an agent it is of no use to
// anybody.
// One line, whatever the log's level.
void Say(std::string_view line);
[[noreturn]] void Die(const std::string& why);

}  // namespace cc::agent

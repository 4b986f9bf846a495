// SPDX-License-Identifier: Apache-2.0
// Pseudo-terminals out of the container's own devpts, so that /dev/pts/N is the right one inside.
#pragma once

#include "agent/spec.h"
#include "base/fd.h"

namespace cc::agent {

struct Terminal {
    Fd master;
    Fd slave;
};
// `root`: the container's root directory. The size is set when the process names one.
Result<Terminal> OpenTerminal(int root, const ProcessSpec& process);
// Makes the terminal the container's /dev/console.
Result<void> BindConsole(int root, const Terminal& terminal);
// Makes a terminal the controlling one of the calling session leader, and its standard streams.
Result<void> TakeTerminal(int slave);
Result<void> SetTerminalSize(int terminal, uint16_t rows, uint16_t columns);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Where a container's process gets its stdio from: the caller's own, a terminal by path
// (--console), or a new pseudo-terminal whose master goes to the caller over a socket
// (--console-socket).
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"

namespace cc::runtime {

struct ConsoleOptions {
    std::string console;         // --console
    std::string console_socket;  // --console-socket
    bool detach = false;         // nobody stays to hold a terminal
};

// runc's rules for which of them go together; its words, because engines show them.
Result<void> CheckConsole(const ConsoleOptions& options, bool terminal);

struct Size {
    int rows = 0;
    int columns = 0;
};
// Of a terminal that has one.
std::optional<Size> TerminalSize(int fd);

// The terminal that becomes the shim's stdio and controlling terminal; empty: the shim inherits the
// caller's stdio. The master has been sent when this returns.
Result<Fd> OpenConsole(const ConsoleOptions& options, int rows, int columns);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Standing by while a shim runs in the foreground (`run`, `exec`): its caller's signals are passed
// on to it, and its end is the caller's.
#pragma once

#include <csignal>
#include <optional>

#include <termios.h>

#include "base/process.h"

namespace cc::runtime {

// Takes note of the terminal on standard input and gives it back as it was, should a killed shim
// have left it raw.
class TerminalKeeper {
  public:
    TerminalKeeper();
    ~TerminalKeeper();
    TerminalKeeper(const TerminalKeeper&) = delete;
    TerminalKeeper& operator=(const TerminalKeeper&) = delete;

  private:
    std::optional<termios> before_;
};

// From construction on, signals wait for Wait() instead of ending this process.
class ForegroundWait {
  public:
    ForegroundWait();
    // Waits without a deadline, as a shell does. The exit code is the shim's, 128 + n when a signal
    // ended it.
    Result<int> Wait(const Process& shim);
    ~ForegroundWait();
    ForegroundWait(const ForegroundWait&) = delete;
    ForegroundWait& operator=(const ForegroundWait&) = delete;

  private:
    sigset_t forwarded_, before_;
};

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/wait.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace cc::runtime {

namespace {

// All that can be caught, except for what this process gets for its own sake: faults, the end of
// its children, and the terminal's own (the shim has the terminal and hears of its size itself).
constexpr int kForwarded[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGTRAP, SIGABRT, SIGUSR1,
                              SIGUSR2, SIGALRM,   SIGTERM, SIGCONT, SIGTSTP, SIGXCPU,
                              SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSTKFLT};

}  // namespace

TerminalKeeper::TerminalKeeper() {
    termios mode{};
    if (::tcgetattr(STDIN_FILENO, &mode) == 0) before_ = mode;
}

TerminalKeeper::~TerminalKeeper() {
    // Only from the foreground: from the background it would stop us.
    if (before_ && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp())
        ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

ForegroundWait::ForegroundWait() {
    sigemptyset(&forwarded_);
    for (const int signal : kForwarded)
        sigaddset(&forwarded_, signal);
    ::sigprocmask(SIG_BLOCK, &forwarded_, &before_);
}

ForegroundWait::~ForegroundWait() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Result<int> ForegroundWait::Wait(const Process& shim) {
    const Fd signals = Fd::Adopt(::signalfd(-1, &forwarded_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return FailErrno("watching for signals");
    while (true) {
        pollfd waiting[] = {{shim.pidfd(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
        if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return FailErrno("waiting for cc-shim");
        signalfd_siginfo info{};
        // What the terminal sends (SI_KERNEL) it sends to the whole foreground group, the shim
        // included where it is in that.
        const bool told = ::getpgid(shim.pid()) == ::getpgrp();
        while (::read(signals.get(), &info, sizeof info) == sizeof info)
            if (info.ssi_code != SI_KERNEL || !told)
                (void)shim.Signal(static_cast<int>(info.ssi_signo));
        if (waiting[0].revents != 0) break;
    }
    CC_ASSIGN(const int status, shim.Reap());
    return ExitCodeOf(status);
}

}  // namespace cc::runtime

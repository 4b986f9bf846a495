// SPDX-License-Identifier: Apache-2.0
#include "shim/terminal.h"

#include <csignal>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace cc::shim {

namespace {

// In static storage, because signal handlers read it.
int raw_fd = -1;
termios saved{};

constexpr int kDeadly[] = {SIGILL, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};

void RestoreAndDie(int signal) {
    if (raw_fd >= 0) ::tcsetattr(raw_fd, TCSANOW, &saved);
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    // The first process of a pid namespace survives that.
    if (::getpid() == 1) ::_exit(128 + signal);
}

}  // namespace

bool RawMode::IsTerminal(int fd) {
    return ::isatty(fd) == 1;
}

std::optional<WindowSize> SizeOf(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        return std::nullopt;
    return WindowSize{size.ws_row, size.ws_col};
}

bool MayUseTerminal(int fd) {
    const pid_t foreground = ::tcgetpgrp(fd);
    return foreground < 0 || foreground == ::getpgrp();
}

RawMode::RawMode(int fd) {
    if (::tcgetattr(fd, &saved) < 0) return;
    raw_fd = fd;
    Apply();
    for (const int signal : kDeadly)
        ::signal(signal, RestoreAndDie);
}

void RawMode::Apply() {
    if (raw_fd < 0) return;
    termios raw = saved;
    ::cfmakeraw(&raw);
    ::tcsetattr(raw_fd, TCSANOW, &raw);
}

RawMode::~RawMode() {
    if (raw_fd < 0) return;
    // In the background by now, this would raise SIGTTOU instead, unless that is blocked.
    sigset_t ttou, before;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    ::sigprocmask(SIG_BLOCK, &ttou, &before);
    ::tcsetattr(raw_fd, TCSANOW, &saved);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    raw_fd = -1;
}

}  // namespace cc::shim

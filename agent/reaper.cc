// SPDX-License-Identifier: Apache-2.0
#include "agent/reaper.h"

#include <csignal>

#include <sys/wait.h>

namespace cc::agent {

Reaper::Reaper(uv::Loop& loop) : signal_(loop, [this](int) { ReapAll(); }) {}

Result<void> Reaper::Start() {
    return signal_.Start(SIGCHLD);
}

void Reaper::ReapAll() {
    // One signal may stand for many children.
    int status = 0;
    while (true) {
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        auto watcher = watched_.extract(pid);
        if (!watcher.empty()) watcher.mapped()(status);
    }
}

}  // namespace cc::agent

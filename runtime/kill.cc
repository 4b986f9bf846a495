// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/vm.h"
#include "runtime/signals.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

constexpr std::chrono::milliseconds kSignalDeadline{10000};
// SIGKILL is for what does not listen any more, and that may be the guest itself: then it is not
// asked for long.
constexpr std::chrono::milliseconds kSigkillDeadline{2500};

// One that has ended meanwhile is success.
Result<void> KillShim(const ContainerRecord& container) {
    const auto shim = Process::Find(container.shim.pid, container.shim.start_time);
    return shim ? shim->Signal(SIGKILL) : Result<void>();
}

// Before the start there is no process yet that could handle a signal: what would end a process
// that does not is the end of its stand-in, and what would do nothing to it does nothing.
Result<void> SignalCreated(const ContainerRecord& container, int signal) {
    constexpr int kHarmless[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
                                 SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (const int harmless : kHarmless)
        if (signal == harmless) return {};
    return KillShim(container);
}

Result<void> SignalGuest(const SandboxRecord& sandbox, const std::string& id, int signal,
                         bool all) {
    const auto deadline = signal == SIGKILL ? kSigkillDeadline : kSignalDeadline;
    CC_ASSIGN(Attached attached, Attach(sandbox, 0, -1, deadline));
    CC_TRY(CallAgent(attached.client, ControlCode::kKillContainer,
                     Encode(KillContainer{id, signal, all, 0}), "", deadline));
    return {};
}

Result<bool> OthersRun(const Store& store, const ContainerRecord& container) {
    CC_ASSIGN(const auto others, store.ContainersIn(container.sandbox_id, container.id));
    return std::any_of(others.begin(), others.end(), [&](const ContainerRecord& other) {
        return CurrentStatus(other, store) != Status::kStopped;
    });
}

Result<void> SignalRunning(const Store& store, const ContainerRecord& container, int signal,
                           bool all) {
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    auto sent = SignalGuest(sandbox, container.id, signal, all);
    if (sent || signal != SIGKILL) return sent;
    CC_ASSIGN(const bool shared, OthersRun(store, container));
    Log(LogLevel::kWarn,
        shared ? "the guest cannot be reached; the container ends on the host"
               : "the guest cannot be reached; its virtual machine is ended",
        {{"why", sent.error().message}});
    // Of a shim that has died cc-proxy kills the process, as soon as the guest listens again.
    if (!shared) CC_TRY(KillVm(sandbox));
    return KillShim(container);
}

Result<int> Kill(App& app, const CliValues& own) {
    const std::string id = own.Get("container-id");
    const bool all = own.Has("all");
    CC_ASSIGN(const int signal, ParseSignal(own.Get("signal", "TERM")));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(const ContainerRecord container, store.LoadContainer(id));
    const Status status = CurrentStatus(container, store);
    if (status == Status::kStopped || status == Status::kCreating) {
        if (all) return 0;
        return Fail(Cat("container ", Quoted(id, 64), ": container not running"));
    }
    if (signal == 0) return 0;
    CC_TRY(Context(Cat("signalling container ", Quoted(id, 64)),
                   status == Status::kCreated && !container.held
                       ? SignalCreated(container, signal)
                       : SignalRunning(store, container, signal, all)));
    return 0;
}

}  // namespace

CliCommand KillVerb() {
    return {.name = "kill",
            .help = "send a signal to a container's process",
            .options =
                {ContainerId(),
                 {.names = "signal", .value = "SIGNAL", .help = "name or number (default TERM)"},
                 {.names = "-a,--all", .value = "", .help = "to all processes of the container"}},
            .stop_at_positional = false,
            .run = Run(Kill)};
}

}  // namespace cc::runtime

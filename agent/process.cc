// SPDX-License-Identifier: Apache-2.0
#include "agent/process.h"

#include <csignal>

#include <sys/socket.h>

#include "base/text.h"

namespace cc::agent {

namespace {
// 3.0's, for everything between the fork and the program's first instruction but hooks.
constexpr std::chrono::seconds kStartDeadline{15};

std::chrono::seconds StartDeadline(const ProcessStart& start) {
    std::chrono::seconds deadline = kStartDeadline;
    if (start.join_pidfd < 0)
        for (const auto& hook : start.container->start_hooks)
            deadline += hook.timeout.value_or(std::chrono::seconds(0));
    return deadline;
}
}  // namespace

ContainerProcess::ContainerProcess(const Surroundings& surroundings, ProcessStart start,
                                   Session& session)
    : surroundings_(surroundings),
      stdio_(start.stdio),
      memory_kills_(std::move(start.memory_kills)),
      memory_kills_before_(memory_kills_()),
      held_(std::move(start.held)),
      started_(std::move(start.started)),
      ended_(std::move(start.ended)),
      session_(&session) {}

Result<std::unique_ptr<ContainerProcess>> ContainerProcess::Start(const Surroundings& surroundings,
                                                                  ProcessStart start) {
    ChildStreams streams;
    LaunchOptions launch;
    launch.container = start.container;
    launch.process = start.process;
    launch.share = surroundings.share;
    launch.cgroup = start.cgroup;
    launch.keyring = start.keyring;
    launch.join_pidfd = start.join_pidfd;
    launch.shared = start.shared;
    launch.hold = start.held != nullptr;
    launch.understudy = start.understudy;
    const std::chrono::seconds deadline = StartDeadline(start);
    Session& session = surroundings.io.Add(start.stdio, start.stderr_sequence);
    auto process = std::unique_ptr<ContainerProcess>(
        new ContainerProcess(surroundings, std::move(start), session));
    auto begun = [&]() -> Result<void> {
        if (!launch.process->terminal) {
            CC_ASSIGN(streams, session.MakePipes());
        }
        CC_ASSIGN(FdPair report, MakeSocketPair(SOCK_SEQPACKET));
        launch.streams = &streams;
        launch.report = report.second.get();
        auto& self = *process;
        CC_ASSIGN(self.report_,
                  ReportReader::Open(
                      surroundings.loop, std::move(report.first), deadline,
                      {.held = [&self](auto outcome) { self.OnHeld(std::move(outcome)); },
                       .done = [&self](auto outcome) { self.OnReport(std::move(outcome)); }}));
        CC_ASSIGN(self.child_, Launch(launch));
        surroundings.reaper.Watch(self.child_.pid, [&self](int status) { self.OnEnd(status); });
        return {};
    }();
    if (!begun) {
        surroundings.io.Remove(session);
        return Failure(begun.error());
    }
    return process;
}

Result<void> ContainerProcess::Signal(int signal) {
    if (!waits_) return SignalChild(child_, signal);
    switch (signal) {
        case SIGCHLD:
        case SIGCONT:
        case SIGURG:
        case SIGWINCH:
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
            return {};
        default:
            ended_by_ = signal;
            return SignalChild(child_, SIGKILL);
    }
}

void ContainerProcess::Release() {
    waits_ = false;
    report_->Release();
}

Result<void> ContainerProcess::TakeTerminal(ReportReader::Outcome& outcome) {
    if (!outcome.terminal) return {};
    return session_->AttachTerminal(std::move(outcome.terminal));
}

void ContainerProcess::OnHeld(ReportReader::Outcome outcome) {
    if (auto taken = TakeTerminal(outcome); !taken) {
        failure_ = taken.error();
        return void(SignalChild(child_, SIGKILL));
    }
    waits_ = true;
    session_->Started();
    session_started_ = true;
    held_();
}

void ContainerProcess::OnReport(Result<ReportReader::Outcome> outcome) {
    reported_ = true;
    waits_ = false;
    if (outcome) {
        if (auto taken = TakeTerminal(*outcome); !taken) failure_ = taken.error();
    } else if (!failure_) {
        failure_ = outcome.error();
    }
    if (failure_) {
        (void)SignalChild(child_, SIGKILL);
    } else {
        if (!session_started_) session_->Started();
        std::exchange(started_, nullptr)({});
    }
    Settle();
}

void ContainerProcess::OnEnd(int wait_status) {
    status_ = wait_status;
    Settle();
}

// The end of the process may be known before the outcome of its start is, because both arrive in
// the same turn.
void ContainerProcess::Settle() {
    if (!reported_ || !status_) return;
    if (failure_) {
        // Of a process that was held the host has known for a while, and waits for its end.
        if (session_started_)
            session_->Exited(ended_by_.value_or(*status_));
        else
            surroundings_.io.Remove(*session_);
        const auto started = std::move(started_);
        return started(Failure(*failure_));
    }
    session_->Exited(*status_, OutOfMemory());
    const auto ended = std::move(ended_);
    ended();
}

}  // namespace cc::agent

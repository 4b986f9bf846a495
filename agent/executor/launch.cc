// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/launch.h"

#include <csignal>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/executor/container_setup.h"
#include "agent/executor/hooks.h"
#include "agent/executor/id_map.h"
#include "agent/executor/port_relay.h"
#include "agent/executor/priorities.h"
#include "agent/executor/process_setup.h"
#include "agent/executor/report.h"
#include "agent/executor/terminal.h"
#include "agent/executor/understudy.h"
#include "agent/executor/user_namespace.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Where the child keeps what it still needs of the agent's descriptors.
constexpr int kReport = 3;
constexpr int kPidfd = 4;  // of the container's first process
constexpr int kPeer = 5;   // between the first process and its builder

// The child is a copy of the agent, with its memory and descriptors. Nothing inside a container may
// get at them through /proc in the time before execve: all other descriptors are closed, and nobody
// may trace it.
Result<void> Isolate(const LaunchOptions& options, int pidfd, int peer) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return FailErrno("making the process untraceable");
    int kept[] = {-1, -1, -1, options.report, pidfd, peer};
    constexpr int kCount = kPeer + 1;
    static_assert(sizeof kept == kCount * sizeof(int));
    if (options.streams->in) {
        kept[0] = options.streams->in.get();
        kept[1] = options.streams->out.get();
        kept[2] = options.streams->err.get();
    }
    // First out of the way of the low numbers, then into place.
    constexpr int kHigh = 16;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int& fd : kept)
        fd = ::fcntl(fd >= 0 ? fd : null, F_DUPFD_CLOEXEC, kHigh);
    for (int i = 0; i < kCount; ++i)
        if (kept[i] < 0 || ::dup3(kept[i], i, i < kReport ? 0 : O_CLOEXEC) < 0)
            return FailErrno("arranging descriptors");
    if (::close_range(kCount, ~0U, 0) < 0) return FailErrno("closing descriptors");
    return {};
}

Result<void> SetOomScore(const std::string& process, const ProcessSpec& spec) {
    if (!spec.oom_score_adj) return {};
    return WriteExisting(Cat("/proc/", process, "/oom_score_adj"),
                         std::to_string(*spec.oom_score_adj));
}

Result<void> SetOwnLimits(const ProcessSpec& process) {
    CC_TRY(SetPriorities(0, process));
    return SetLimits(0, process.rlimits);
}

// The terminal becomes ours; the agent gets its other end.
Result<void> SetUpTerminal(const Terminal& terminal) {
    CC_TRY(TakeTerminal(terminal.slave.get()));
    return ReportTerminal(kReport, terminal.master.get());
}

Result<void> StartContainer(const LaunchOptions& options) {
    const ContainerSpec& spec = *options.container;
    if (spec.user_namespace) return WaitForBuilder(kPeer);
    // Only now, in the container's cgroup: it becomes the root that the container sees.
    if (!options.prepared && ::unshare(CLONE_NEWCGROUP) < 0)
        return FailErrno("making a cgroup namespace");
    CC_TRY(SetOomScore("self", spec.process));
    CC_ASSIGN(const auto terminal, MakeContainer(spec, options.share));
    if (terminal) CC_TRY(SetUpTerminal(*terminal));
    return SetOwnLimits(spec.process);
}

Result<void> JoinContainer(const LaunchOptions& options) {
    const ContainerSpec& container = *options.container;
    CC_TRY(SetOomScore("self", *options.process));
    const int clocks = container.time_namespace ? CLONE_NEWTIME : 0;
    if (::setns(kPidfd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | clocks) < 0)
        return FailErrno("joining the container's namespaces");
    if (::chdir("/") < 0) return FailErrno("entering the container's root");
    if (options.process->terminal) {
        CC_ASSIGN(const Fd root, OpenFile("/", O_PATH | O_DIRECTORY));
        CC_ASSIGN(const Terminal terminal, OpenTerminal(root.get(), *options.process));
        CC_TRY(SetUpTerminal(terminal));
    }
    CC_TRY(SetOwnLimits(*options.process));
    if (!container.user_namespace) return {};
    // Last, because the VM's privileges end here.
    const auto owner = OutsideId(container.id_map.uids, options.process->user.uid);
    if (owner) CC_TRY(GiveStreams(*owner));
    if (::setns(kPidfd, CLONE_NEWUSER) < 0)
        return FailErrno("joining the container's user namespace");
    return BecomeNamespaceRoot();
}

// The container is there; what is left is up to its process.
Result<void> FinishContainer(const LaunchOptions& options) {
    if (options.hold) CC_TRY(ReportHeld(kReport));
    return RunStartHooks(*options.container);
}

// Not in the container, whose programs have no business with it: it has the machine's network,
// which is the container's, and is in the container's cgroup.
Result<void> RelayPort(const ProcessSpec& process) {
    CC_ASSIGN(const Fd connection, ConnectLoopback(process.connect));
    ReportReady(kReport);
    ::close(kReport);
    Relay(connection);
    ::_exit(0);
}

Result<void> RunChild(const LaunchOptions& options) {
    if (::setsid() < 0) return FailErrno("starting a session");
    ::umask(0);  // modes given for devices and directories are meant as they are
    const bool first = options.join_pidfd < 0;
    if (options.process->connect != 0) return RelayPort(*options.process);
    CC_TRY(first ? StartContainer(options) : JoinContainer(options));
    ::close(kPidfd);
    ::close(kPeer);
    if (!options.prepared) CC_TRY(JoinKeyring(options.keyring));
    ExecSteps steps;
    if (first) steps.prepared = [&options] { return FinishContainer(options); };
    steps.about_to_exec = [] { ReportReady(kReport); };
    return BecomeProcess(*options.container, *options.process, steps);
}

int ChildMain(const LaunchOptions& options, int pidfd, int peer) {
    if (const auto isolated = Isolate(options, pidfd, peer); !isolated) {
        ReportError(options.report, isolated.error());
        return 1;
    }
    const auto failed = RunChild(options);
    if (failed.error().code != ECANCELED) ReportError(kReport, failed.error());
    return 1;
}

int BuilderMain(const LaunchOptions& options, int first, int peer) {
    auto built = Isolate(options, first, peer).and_then([&] {
        ::umask(0);
        return BuildAround(kPidfd, kPeer, *options.container, options.share);
    });
    if (built && *built)
        if (auto reported = ReportTerminal(kReport, built->get()); !reported)
            built = Failure(reported.error());
    if (built) return 0;
    ReportError(kReport, built.error());
    return 1;
}

// All that a first process in a user namespace cannot do for itself. The builder is in its pid
// namespace, so it ends with it.
Result<void> StartBuilder(const LaunchOptions& options, const Child& first, int peer) {
    const ContainerSpec& spec = *options.container;
    const std::string pid = std::to_string(first.pid);
    CC_TRY(WriteIdMaps("/proc/" + pid, spec.id_map));
    CC_TRY(SetOomScore(pid, spec.process));
    ForkOptions fork;
    fork.born_in.pid = first.pidfd.get();
    CC_ASSIGN(const Child builder,
              Fork(fork, [&] { return BuilderMain(options, first.pidfd.get(), peer); }));
    return {};
}

}  // namespace

int BecomeFirstProcess(const LaunchOptions& options) {
    return ChildMain(options, -1, -1);
}

Result<Child> Launch(const LaunchOptions& options) {
    if (options.understudy != nullptr)
        if (auto child = options.understudy->Play(options)) return child;
    const ContainerSpec& spec = *options.container;
    ForkOptions fork;
    fork.cgroup = options.cgroup;
    // A connection is not in the container (RelayPort).
    if (options.process->connect == 0) fork.born_in.pid = options.join_pidfd;
    const bool first = options.join_pidfd < 0;
    const bool build = first && spec.user_namespace;
    if (first) {
        fork.born_in = options.shared;
        fork.namespaces = CLONE_NEWNS;
        if (options.shared.pid < 0) fork.namespaces |= CLONE_NEWPID;
        if (options.shared.ipc < 0) fork.namespaces |= CLONE_NEWIPC;
        if (options.shared.uts < 0) fork.namespaces |= CLONE_NEWUTS;
        if (spec.user_namespace) fork.namespaces |= CLONE_NEWUSER;
        if (spec.time_namespace) fork.clocks = &spec.time_offsets;
    }
    FdPair peers;
    if (build) {
        CC_ASSIGN(peers, MakeSocketPair(SOCK_SEQPACKET));
    }
    CC_ASSIGN(Child child, Fork(fork, [&] {
                  return ChildMain(options, options.join_pidfd, peers.first.get());
              }));
    peers.first.Reset();
    if (!build) return child;
    if (auto started = StartBuilder(options, child, peers.second.get()); !started) {
        (void)SignalChild(child, SIGKILL);
        return Failure(started.error());
    }
    return child;
}

}  // namespace cc::agent

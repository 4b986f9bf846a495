// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/launch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/executor/devices.h"
#include "agent/executor/hooks.h"
#include "agent/executor/mounts.h"
#include "agent/executor/path_in_root.h"
#include "agent/executor/process_setup.h"
#include "agent/executor/report.h"
#include "agent/executor/rootfs.h"
#include "agent/executor/sysctl.h"
#include "agent/executor/terminal.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// Where the child keeps what it still needs of the agent's descriptors.
constexpr int kReport = 3;
constexpr int kJoin = 4;

// The child is a copy of the agent, with its memory and descriptors. Nothing inside a container may
// get at them through /proc in the time before execve: all other descriptors are closed, and nobody
// may trace it.
Result<void> Isolate(const LaunchOptions& options) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return FailErrno("making the process untraceable");
    int streams[3] = {-1, -1, -1};
    if (options.streams->in) {
        streams[0] = options.streams->in.get();
        streams[1] = options.streams->out.get();
        streams[2] = options.streams->err.get();
    }
    // First out of the way of the low numbers, then into place.
    constexpr int kHigh = 16;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    int moved[5];
    for (int i = 0; i < 3; ++i)
        moved[i] = ::fcntl(streams[i] >= 0 ? streams[i] : null, F_DUPFD_CLOEXEC, kHigh);
    moved[3] = ::fcntl(options.report, F_DUPFD_CLOEXEC, kHigh);
    moved[4] = ::fcntl(options.join_pidfd >= 0 ? options.join_pidfd : null, F_DUPFD_CLOEXEC, kHigh);
    for (int i = 0; i < 5; ++i)
        if (moved[i] < 0 || ::dup3(moved[i], i, i < 3 ? 0 : O_CLOEXEC) < 0)
            return FailErrno("arranging descriptors");
    if (::close_range(kJoin + 1, ~0U, 0) < 0) return FailErrno("closing descriptors");
    return {};
}

Result<void> SetOomScore(const ProcessSpec& process) {
    if (!process.oom_score_adj) return {};
    return WriteExisting("/proc/self/oom_score_adj", std::to_string(*process.oom_score_adj));
}

Result<void> SetNames(const ContainerSpec& spec) {
    if (!spec.hostname.empty() && ::sethostname(spec.hostname.data(), spec.hostname.size()) < 0)
        return FailErrno(Cat("setting the hostname ", Quoted(spec.hostname, 80)));
    if (!spec.domainname.empty() &&
        ::setdomainname(spec.domainname.data(), spec.domainname.size()) < 0)
        return FailErrno(Cat("setting the domain name ", Quoted(spec.domainname, 80)));
    return {};
}

bool BindsDev(const ContainerSpec& spec) {
    for (const auto& mount : spec.mounts)
        if (mount.options.bind && (mount.destination == "/dev" || mount.destination == "/dev/"))
            return true;
    return false;
}

// The terminal becomes ours; the agent gets its other end.
Result<void> SetUpTerminal(const Terminal& terminal) {
    CC_TRY(TakeTerminal(terminal));
    return ReportTerminal(kReport, terminal.master.get());
}

// The file system of a new container, seen from outside of it, still in the agent's root.
Result<void> BuildRoot(int root, const ContainerSpec& spec) {
    CC_TRY(MakeMounts(root, spec.mounts));
    if (!BindsDev(spec)) CC_TRY(MakeDevices(root, spec.devices));
    if (spec.process.terminal) {
        CC_ASSIGN(const Terminal terminal, OpenTerminal(root, spec.process));
        CC_TRY(BindConsole(root, terminal));
        CC_TRY(SetUpTerminal(terminal));
    }
    CC_TRY(Context("making the working directory",
                   MakeInRoot(root, spec.process.cwd, PathKind::kDirectory)));
    CC_TRY(MaskPaths(root, spec.masked_paths));
    CC_TRY(ProtectPaths(root, spec.read_only_paths));
    CC_TRY(SealMounts(root, spec.mounts));
    if (spec.read_only_root)
        CC_TRY(Context("making the root read-only",
                       SetAttributes(root, {MOUNT_ATTR_RDONLY, 0}, false)));
    return {};
}

Result<void> MakeContainer(const LaunchOptions& options) {
    const ContainerSpec& spec = *options.container;
    // Only now, in the container's cgroup: it becomes the root that the container sees.
    if (::unshare(CLONE_NEWCGROUP) < 0) return FailErrno("making a cgroup namespace");
    CC_TRY(DetachFromParentNamespace());
    CC_TRY(SetNames(spec));
    CC_TRY(SetSysctls(spec.sysctl));
    CC_TRY(SetOomScore(spec.process));
    CC_ASSIGN(const Fd root, MountRootfs(options.share, spec.rootfs));
    CC_TRY(BuildRoot(root.get(), spec));
    CC_TRY(EnterRoot(root.get()));
    if (spec.root_propagation != 0 &&
        ::mount(nullptr, "/", nullptr, spec.root_propagation, nullptr) < 0)
        return FailErrno("setting the propagation of the root");
    return {};
}

Result<void> JoinContainer(const LaunchOptions& options) {
    CC_TRY(SetOomScore(*options.process));
    if (::setns(kJoin, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
        return FailErrno("joining the container's namespaces");
    if (::chdir("/") < 0) return FailErrno("entering the container's root");
    if (!options.process->terminal) return {};
    CC_ASSIGN(const Fd root, OpenFile("/", O_PATH | O_DIRECTORY));
    CC_ASSIGN(const Terminal terminal, OpenTerminal(root.get(), *options.process));
    return SetUpTerminal(terminal);
}

// The container is there; what is left is up to its process.
Result<void> StartContainer(const LaunchOptions& options) {
    if (options.hold) CC_TRY(ReportHeld(kReport));
    return RunStartHooks(*options.container);
}

Result<void> RunChild(const LaunchOptions& options) {
    if (::setsid() < 0) return FailErrno("starting a session");
    ::umask(0);  // modes given for devices and directories are meant as they are
    const bool first = options.join_pidfd < 0;
    CC_TRY(first ? MakeContainer(options) : JoinContainer(options));
    ::close(kJoin);
    ExecSteps steps;
    if (first) steps.prepared = [&options] { return StartContainer(options); };
    steps.about_to_exec = [] { ReportReady(kReport); };
    return BecomeProcess(*options.process, options.container->seccomp,
                         Cat("_ses.", options.container->id), steps);
}

}  // namespace

Result<Child> Launch(const LaunchOptions& options) {
    ForkOptions fork;
    fork.cgroup = options.cgroup;
    fork.pid_namespace_of = options.join_pidfd;
    if (options.join_pidfd < 0)
        fork.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
    return Fork(fork, [&options] {
        const auto isolated = Isolate(options);
        if (!isolated) {
            ReportError(options.report, isolated.error());
            return 1;
        }
        const auto failed = RunChild(options);
        ReportError(kReport, failed.error());
        return 1;
    });
}

}  // namespace cc::agent

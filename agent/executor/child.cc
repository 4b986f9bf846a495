// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/child.h"

#include <csignal>

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// While a child must be born in other namespaces. Of pid and time namespaces only children of the
// caller are affected; in the others the caller itself is for that while, with all signals blocked.
class BornElsewhere {
  public:
    static Result<BornElsewhere> Enter(const ForkOptions& options) {
        BornElsewhere elsewhere;
        const BornIn& in = options.born_in;
        CC_TRY(Join(in.pid, "pid", CLONE_NEWPID, elsewhere.pids_));
        CC_TRY(Join(in.ipc, "ipc", CLONE_NEWIPC, elsewhere.ipc_));
        CC_TRY(Join(in.uts, "uts", CLONE_NEWUTS, elsewhere.uts_));
        if (options.clocks != nullptr) {
            CC_ASSIGN(elsewhere.clocks_, OpenFile("/proc/self/ns/time", O_RDONLY));
            CC_TRY(MakeTimeNamespace(*options.clocks));
        }
        return elsewhere;
    }
    BornElsewhere(BornElsewhere&&) = default;
    ~BornElsewhere() {
        if (pids_) ::setns(pids_.get(), CLONE_NEWPID);
        if (ipc_) ::setns(ipc_.get(), CLONE_NEWIPC);
        if (uts_) ::setns(uts_.get(), CLONE_NEWUTS);
        if (clocks_) ::setns(clocks_.get(), CLONE_NEWTIME);
    }

  private:
    BornElsewhere() = default;
    static Result<void> Join(int pidfd, const std::string& type, int flag, Fd& before) {
        if (pidfd < 0) return {};
        CC_ASSIGN(before, OpenFile("/proc/self/ns/" + type, O_RDONLY));
        if (::setns(pidfd, flag) < 0)
            return FailErrno(Cat("joining the container's ", type, " namespace"));
        return {};
    }
    // The offsets must be written before anybody is in the namespace.
    static Result<void> MakeTimeNamespace(const std::vector<TimeOffset>& clocks) {
        if (::unshare(CLONE_NEWTIME) < 0) return FailErrno("making a time namespace");
        for (const auto& [clock, seconds, nanoseconds] : clocks)
            CC_TRY(Context(Cat("linux.timeOffsets: ", clock),
                           WriteExisting("/proc/self/timens_offsets",
                                         Cat(clock, " ", seconds, " ", nanoseconds, "\n"))));
        return {};
    }

    Fd pids_;
    Fd ipc_;
    Fd uts_;
    Fd clocks_;
};

// A handler of the agent's that ran in the child would write into the agent's own loop.
void ResetSignals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal <= SIGRTMAX; ++signal)
        ::sigaction(signal, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Result<void> SignalChild(const Child& child, int signal) {
    if (::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0U) < 0 &&
        errno != ESRCH)
        return FailErrno(Cat("sending signal ", signal));
    return {};
}

Result<Child> Fork(const ForkOptions& options, const std::function<int()>& body) {
    CC_ASSIGN(const auto elsewhere, BornElsewhere::Enter(options));
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD | options.namespaces | (options.cgroup >= 0 ? CLONE_INTO_CGROUP : 0);
    args.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    args.cgroup = options.cgroup >= 0 ? static_cast<uint64_t>(options.cgroup) : 0;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) {
        ResetSignals();
        ::_exit(body());
    }
    const int error = errno;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return FailErrno("forking", error);
    return Child{pid, Fd::Adopt(pidfd)};
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/child.h"

#include <csignal>

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::agent {

namespace {

// While a child must be born in another pid namespace: only children of the caller are affected,
// never itself.
class BornElsewhere {
  public:
    static Result<BornElsewhere> Enter(int pidfd) {
        BornElsewhere elsewhere;
        if (pidfd < 0) return elsewhere;
        CC_ASSIGN(elsewhere.home_, OpenFile("/proc/self/ns/pid", O_RDONLY));
        if (::setns(pidfd, CLONE_NEWPID) < 0)
            return FailErrno("joining the container's pid namespace");
        return elsewhere;
    }
    BornElsewhere(BornElsewhere&&) = default;
    ~BornElsewhere() {
        if (home_) ::setns(home_.get(), CLONE_NEWPID);
    }

  private:
    BornElsewhere() = default;
    Fd home_;
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
    CC_ASSIGN(const auto elsewhere, BornElsewhere::Enter(options.pid_namespace_of));
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

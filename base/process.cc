// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <algorithm>
#include <csignal>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

int PidfdOpen(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U));
}

// Gives every mapping its target number and closes everything else but `keep`.
Result<int> ArrangeFds(const std::vector<SpawnOptions::FdMapping>& mappings, int keep) {
    int top = 3;
    for (const auto& mapping : mappings)
        top = std::max(top, mapping.target + 1);
    // First out of the way of all targets, so that no dup2 overwrites a source that is still
    // needed.
    std::vector<SpawnOptions::FdMapping> moved;
    for (const auto& mapping : mappings) {
        const int high = ::fcntl(mapping.source, F_DUPFD, top);
        if (high < 0) return FailErrno(Cat("passing on descriptor ", mapping.source));
        moved.push_back({high, mapping.target});
    }
    const int kept = ::fcntl(keep, F_DUPFD_CLOEXEC, top);
    if (kept < 0) return FailErrno("arranging descriptors");
    // Above 2 like the rest: where the caller has 0 closed, open() would give out that very number,
    // close-on-exec.
    CC_ASSIGN(Fd opened, OpenFile("/dev/null", O_RDWR));
    const int null = ::fcntl(opened.get(), F_DUPFD_CLOEXEC, top);
    opened.Reset();
    if (null < 0) return FailErrno("arranging descriptors");
    for (int fd = 0; fd < 3; ++fd)
        if (::dup2(null, fd) < 0) return FailErrno("arranging descriptors");
    for (const auto& mapping : moved)
        if (::dup2(mapping.source, mapping.target) < 0) return FailErrno("arranging descriptors");
    // Close what lies between and above the targets.
    std::vector<int> open{kept};
    for (const auto& mapping : mappings)
        open.push_back(mapping.target);
    std::sort(open.begin(), open.end());
    unsigned from = 3;
    for (const int fd : open) {
        if (fd < 3) continue;
        if (static_cast<unsigned>(fd) > from) ::close_range(from, static_cast<unsigned>(fd) - 1, 0);
        from = std::max(from, static_cast<unsigned>(fd) + 1);
    }
    ::close_range(from, ~0U, 0);
    return kept;
}

Result<void> BecomeChild(const SpawnOptions& options, int& error_pipe, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGPIPE, SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP})
        ::signal(signal, SIG_DFL);
    if (options.new_session && ::setsid() < 0) return FailErrno("starting a session");
    if (options.new_process_group && ::setpgid(0, 0) < 0)
        return FailErrno("starting a process group");
    if (options.in_child) CC_TRY(options.in_child());
    CC_ASSIGN(error_pipe, ArrangeFds(options.fds, error_pipe));
    if (options.parent_death_signal != 0) {
        if (::prctl(PR_SET_PDEATHSIG, options.parent_death_signal) < 0)
            return FailErrno("tying a process to its parent's life");
        if (::getppid() != parent) return Fail("the parent ended while it started a process");
    }
    return {};
}

std::vector<char*> CStrings(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const auto& text : texts)
        pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

// The C library has no fork(2) into namespaces.
pid_t ForkIntoPidNamespace() {
    return static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
}

pid_t ForkFor(const SpawnOptions& options) {
    if (options.new_pid_namespace) return ForkIntoPidNamespace();
    return options.no_fork_handlers ? ::_Fork() : ::fork();
}

}  // namespace

Result<Process> Spawn(const SpawnOptions& options) {
    CC_ASSIGN(FdPair errors, MakePipe());
    const auto argv = CStrings(options.arguments);
    std::vector<char*> envp;
    if (options.environment) envp = CStrings(*options.environment);
    const pid_t parent = ::getpid();
    const pid_t pid = ForkFor(options);
    if (pid < 0) return FailErrno(Cat("forking for ", options.executable));
    if (pid == 0) {
        int error_pipe = errors.second.get();
        auto ready = BecomeChild(options, error_pipe, parent);
        Error error;
        if (ready) {
            ::execve(options.executable.c_str(), argv.data(),
                     options.environment ? envp.data() : environ);
            error = FailErrno(Cat("executing ", options.executable)).value();
        } else {
            error = ready.error();
        }
        (void)WriteAll(error_pipe, Cat(error.code, " ", error.message));
        ::_exit(127);
    }
    Process process;
    process.pid_ = pid;
    process.pidfd_ = Fd::Adopt(PidfdOpen(pid));
    errors.second.Reset();
    auto failure = ReadAll(errors.first.get(), 65536);
    if (failure && failure->empty() && process.pidfd_) return process;
    process.Kill();
    if (!failure) return Failure(failure.error());
    if (failure->empty()) return Fail("cannot get a pidfd; is the kernel older than 5.3?");
    const size_t space = failure->find(' ');
    return Fail(failure->substr(space + 1),
                ParseNumber<int>(failure->substr(0, space)).value_or(0));
}

Result<Process> Process::Find(pid_t pid, uint64_t start_time) {
    Process process;
    process.pid_ = pid;
    process.pidfd_ = Fd::Adopt(PidfdOpen(pid));
    if (!process.pidfd_) return FailErrno(Cat("finding process ", pid));
    // Checked after the pidfd is open: from here on it cannot mean another process.
    CC_ASSIGN(const uint64_t now, StartTimeOf(pid));
    if (now != start_time) return Fail(Cat("process ", pid, " has ended"), ESRCH);
    return process;
}

Result<void> Process::Signal(int signal) const {
    if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0U) < 0 && errno != ESRCH)
        return FailErrno(Cat("sending signal ", signal, " to process ", pid_));
    return {};
}

Result<bool> Process::WaitEnd(std::chrono::milliseconds deadline) const {
    const auto end = std::chrono::steady_clock::now() + deadline;
    pollfd waiting{pidfd_.get(), POLLIN, 0};
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        const int count =
            ::poll(&waiting, 1, static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30)));
        if (count > 0) return true;
        if (count == 0) return false;
        if (errno != EINTR) return FailErrno(Cat("waiting for process ", pid_));
    }
}

Result<int> Process::Reap() const {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
        if (errno != EINTR) return FailErrno(Cat("reaping process ", pid_));
    return status;
}

void Process::Kill() const {
    if (pid_ <= 0) return;
    if (pidfd_)
        (void)Signal(SIGKILL);
    else
        ::kill(pid_, SIGKILL);  // our own unreaped child: its pid cannot have been reused
    (void)Reap();
}

int ExitCodeOf(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Result<uint64_t> StartTimeOf(pid_t pid) {
    const std::string path = Cat("/proc/", pid, "/stat");
    CC_ASSIGN(const std::string text, ReadFile(path, 65536));
    // The name in field 2 may hold spaces and parentheses; fields count from the last ')'.
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return Fail(Cat(path, " is not as expected"));
    const auto fields = Split(std::string_view(text).substr(name_end + 2), ' ');  // from field 3
    constexpr size_t kState = 0, kStartTime = 22 - 3;
    if (fields.size() <= kStartTime) return Fail(Cat(path, " is not as expected"));
    if (fields[kState] == "Z" || fields[kState] == "X")
        return Fail(Cat("process ", pid, " has ended"), ESRCH);
    const auto start_time = ParseNumber<uint64_t>(fields[kStartTime]);
    if (!start_time) return Fail(Cat(path, " is not as expected"));
    return *start_time;
}

}  // namespace cc

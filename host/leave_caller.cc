// SPDX-License-Identifier: Apache-2.0
#include "host/leave_caller.h"

#include <array>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc {

namespace {

constexpr size_t kMaxProcFile = 1 << 20;

void LeaveSession() {
    if (::setsid() >= 0 || ::getsid(0) == ::getpid()) return;
    // The leader of a process group cannot start a session; its child can.
    const pid_t child = ::fork();
    if (child > 0) ::_exit(0);
    ::setsid();
}

void LeaveSignals() {
    ::prctl(PR_SET_PDEATHSIG, 0);
    for (int signal = 1; signal < NSIG; ++signal)
        if (signal != SIGPIPE) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Result<void> LeavePriority() {
    const sched_param normal{};
    ::sched_setscheduler(0, SCHED_OTHER, &normal);
    if (::setpriority(PRIO_PROCESS, 0, 0) < 0) return FailErrno("setting the niceness to 0");
    return WriteExisting("/proc/self/oom_score_adj", "0");
}

bool SameFile(const std::string& a, const std::string& b) {
    struct stat first {};
    struct stat second {};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

Result<void> EnterNamespaceOfInit(const char* name) {
    const std::string theirs = Cat("/proc/1/ns/", name);
    if (SameFile(Cat("/proc/self/ns/", name), theirs)) return {};
    CC_ASSIGN(const Fd fd, OpenFile(theirs, O_RDONLY));
    if (::setns(fd.get(), 0) < 0) return FailErrno(Cat("entering ", theirs));
    return {};
}

Result<void> LeaveMounts(const std::string& directory) {
    if (!SameFile(directory, Cat("/proc/1/root", directory)))
        return Fail(Cat("staying in the caller's mount namespace: ", directory,
                        " is another directory outside"));
    return EnterNamespaceOfInit("mnt");
}

Result<void> LeaveCgroups(std::vector<std::string>& complaints) {
    CC_ASSIGN(const std::string cgroup, ReadFile("/proc/self/cgroup", kMaxProcFile));
    CC_ASSIGN(const std::string mounts, ReadFile("/proc/self/mountinfo", kMaxProcFile));
    for (const auto& file : CgroupRootsToEnter(cgroup, mounts))
        if (auto entered = WriteExisting(file, Cat(::getpid())); !entered)
            complaints.push_back(entered.error().message);
    return {};
}

void LeaveDescriptors(int keep) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; ++fd)
        if (fd != keep) ::dup2(null, fd);
    if (keep > 2) {
        if (keep > 3) ::close_range(3, static_cast<unsigned>(keep) - 1, 0);
        ::close_range(static_cast<unsigned>(keep) + 1, ~0U, 0);
    } else {
        ::close_range(3, ~0U, 0);
    }
}

void LeaveEnvironment() {
    std::vector<std::string> kept;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text = *entry;
        if (text.starts_with("PATH=") || text.starts_with("CC_")) kept.emplace_back(text);
    }
    ::clearenv();
    for (const auto& text : kept) {
        const size_t equals = text.find('=');
        if (equals == std::string::npos) continue;
        ::setenv(text.substr(0, equals).c_str(), text.substr(equals + 1).c_str(), 1);
    }
}

}  // namespace

std::vector<std::string> LeaveCaller(const std::string& directory, int keep) {
    std::vector<std::string> complaints;
    const auto note = [&](const Result<void>& done) {
        if (!done) complaints.push_back(done.error().message);
    };
    LeaveSession();
    LeaveSignals();
    ::umask(027);
    note(LeavePriority());
    for (const char* name : {"net", "uts", "ipc", "cgroup"})
        note(EnterNamespaceOfInit(name));
    // Behind the others: their files are found by the caller's /proc, and the cgroups' files by
    // the mounts outside.
    note(LeaveMounts(directory));
    note(LeaveCgroups(complaints));
    LeaveDescriptors(keep);
    LeaveEnvironment();
    if (::chdir("/") < 0) complaints.push_back(FailErrno("going to /").value().message);
    return complaints;
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// Starting, watching and ending processes.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"

namespace cc {

struct SpawnOptions {
    std::string executable;                               // a path; PATH is not searched
    std::vector<std::string> arguments;                   // argv, argv[0] included
    std::optional<std::vector<std::string>> environment;  // "NAME=value"; absent: the caller's
    // What the child has open: descriptor `source` of the caller under the number `target`. Nothing
    // else stays open, and of 0, 1, 2 those not named become /dev/null.
    struct FdMapping {
        int source;
        int target;
    };
    std::vector<FdMapping> fds;
    bool new_session = false;        // setsid(2)
    bool new_process_group = false;  // setpgid(2)
    int parent_death_signal = 0;     // PR_SET_PDEATHSIG: of the thread that calls Spawn
    // The first process of a pid namespace of its own: there is no parent there to die with, and of
    // signals those alone end it that it handles, and SIGKILL. For single-threaded callers; without
    // the handlers of pthread_atfork(3).
    bool new_pid_namespace = false;
    // fork(2) without the handlers of pthread_atfork(3). For a single-threaded caller that is
    // itself a forked child and has closed what they know: libuv's would close two descriptors by
    // number.
    bool no_fork_handlers = false;
    // Runs in the child after the fork and before the descriptors are arranged. Only
    // single-threaded callers may do more there than system calls. Its error becomes Spawn's.
    std::function<Result<void>()> in_child;
};

// A child, or any other process known by its pid; the pidfd makes signals safe against pid reuse.
class Process {
  public:
    Process() = default;
    Process(Process&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), pidfd_(std::move(other.pidfd_)) {}
    Process& operator=(Process&& other) noexcept {
        pid_ = std::exchange(other.pid_, 0);
        pidfd_ = std::move(other.pidfd_);
        return *this;
    }
    // A process that is not ours: refuses a pid whose start time (clock ticks since boot, field 22
    // of /proc/PID/stat) differs, so that a reused pid is never taken for the one we knew.
    static Result<Process> Find(pid_t pid, uint64_t start_time);

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }
    explicit operator bool() const { return pid_ > 0; }
    // A process that has ended is not an error.
    Result<void> Signal(int signal) const;
    // Waits for the end without reaping; false when the deadline came first.
    Result<bool> WaitEnd(std::chrono::milliseconds deadline) const;
    // Reaps our own child; the status is as of waitpid(2).
    Result<int> Reap() const;
    // SIGKILL and, for our own child, reap.
    void Kill() const;

  private:
    friend Result<Process> Spawn(const SpawnOptions& options);
    pid_t pid_ = 0;
    Fd pidfd_;
};

// Returns once the child runs the new program; a failure before or at execve(2) is the error here,
// no child left.
Result<Process> Spawn(const SpawnOptions& options);

// The shell's convention: the exit code, or 128 + signal.
int ExitCodeOf(int wait_status);
// Start time as above; an error when there is no such process, or it is a zombie.
Result<uint64_t> StartTimeOf(pid_t pid);

}  // namespace cc

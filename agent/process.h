// SPDX-License-Identifier: Apache-2.0
// One process of a container that the host asked for, from its fork until its exit code is known.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "agent/executor/launch.h"
#include "agent/executor/report.h"
#include "agent/io_channel.h"
#include "agent/network/device.h"
#include "agent/reaper.h"

namespace cc::agent {

// What processes need of the agent around them.
struct Surroundings {
    uv::Loop& loop;
    Reaper& reaper;
    IoChannel& io;
    NetworkDevice& device;
    std::string share;          // where the shared directory is mounted
    std::string cgroup_parent;  // of the containers' cgroups
    std::string shm;            // directory for the pod's shared memory
};

struct ProcessStart {
    const ContainerSpec* container = nullptr;
    const ProcessSpec* process = nullptr;
    uint64_t stdio = 0;
    uint64_t stderr_sequence = 0;
    int cgroup = -1;
    std::string keyring;  // see LaunchOptions
    // How many processes of the container the kernel has killed for want of memory.
    std::function<uint64_t()> memory_kills;
    int join_pidfd = -1;               // -1: the first process of a new container
    BornIn shared;                     // see LaunchOptions
    Understudy* understudy = nullptr;  // see LaunchOptions; is in `cgroup`
    // Null, or the process is held before its program is executed, until Release(). Called once,
    // when it waits; `started` comes after.
    std::function<void()> held;
    // Called once: the program runs, or why it does not (then no process is left, and `ended` is
    // never called).
    std::function<void(Result<void>)> started;
    // The process has ended. Called once; may destroy the process.
    std::function<void()> ended;
};

class ContainerProcess {
  public:
    static Result<std::unique_ptr<ContainerProcess>> Start(const Surroundings& surroundings,
                                                           ProcessStart start);

    uint64_t stdio() const { return stdio_; }
    pid_t pid() const { return child_.pid; }
    int pidfd() const { return child_.pidfd.get(); }
    // A process that has ended is not an error. A held one has no program yet that could handle the
    // signal: it gets the signal's default action.
    Result<void> Signal(int signal);
    void Release();

  private:
    ContainerProcess(const Surroundings& surroundings, ProcessStart start, Session& session);
    void OnHeld(ReportReader::Outcome outcome);
    void OnReport(Result<ReportReader::Outcome> outcome);
    bool OutOfMemory() const { return memory_kills_() > memory_kills_before_; }
    Result<void> TakeTerminal(ReportReader::Outcome& outcome);
    void OnEnd(int wait_status);
    void Settle();

    const Surroundings& surroundings_;
    const uint64_t stdio_;
    const std::function<uint64_t()> memory_kills_;
    const uint64_t memory_kills_before_;
    std::function<void()> held_;
    std::function<void(Result<void>)> started_;
    std::function<void()> ended_;
    Session* session_;  // owned by the I/O channel; ours to name until the process has ended
    Child child_;
    std::unique_ptr<ReportReader> report_;
    bool waits_ = false;  // is held
    bool session_started_ = false;
    bool reported_ = false;
    std::optional<int> ended_by_;  // the signal that ended it while it was held
    std::optional<Error> failure_;
    std::optional<int> status_;
};

}  // namespace cc::agent

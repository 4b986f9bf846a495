// SPDX-License-Identifier: Apache-2.0
// A container: its first process, those that joined it, and its cgroup. It runs as long as the
// first process does; when that ends the kernel ends all others, because it is the init of their
// pid namespace. In the pid namespace of another container it is us who end them.
#pragma once

#include <memory>
#include <vector>

#include "agent/cgroup.h"
#include "agent/freezer.h"
#include "agent/process.h"

namespace cc::agent {

struct ContainerStart {
    uint64_t stdio = 0;
    uint64_t stderr_sequence = 0;
    bool hold = false;  // see Container::Start
    BornIn shared;      // namespaces of other containers
    // That becomes the first process, with its cgroup; null: they are made.
    Understudy* understudy = nullptr;
};

class Container {
  public:
    using Done = std::function<void(Result<void>)>;

    Container(const Surroundings& surroundings, ContainerSpec spec);
    const std::string& id() const { return spec_.id; }
    const ProcessSpec& first_process() const { return spec_.process; }
    bool running() const { return running_; }
    bool held() const { return held_; }
    // Has a first process, by which its namespaces are found.
    bool alive() const { return running_ || held_; }
    int pidfd() const { return processes_.front()->pidfd(); }

    // Makes the container and starts its first process. After an error nothing of it is left but
    // this object. `hold`: done is when the process waits for Release().
    void Start(const ContainerStart& how, Done done);
    // Of a held container. After an error its process has ended.
    void Release(Done done);
    void Exec(const ProcessSpec& process, uint64_t stdio, uint64_t stderr_sequence,
              const Done& done);
    bool HasProcess(uint64_t stdio) const;
    // To the first process, or (`stdio` not 0) to the one with that number; one that has ended is
    // not an error.
    Result<void> Signal(int signal, uint64_t stdio);
    Result<void> SignalAll(int signal);
    void Kill() const;  // everything in it, at once
    std::vector<pid_t> Processes() const { return cgroup_.Processes(); }
    // Holds everything in it still, and lets it go on. A paused one takes no new processes: they
    // would be held at birth, and their start never be answered.
    void Pause(Done done) { freezer_.Freeze(cgroup_.path(), std::move(done)); }
    void Resume(Done done) { freezer_.Thaw(cgroup_.path(), std::move(done)); }
    bool paused() const { return Freezer::Wanted(cgroup_.path()); }
    const Cgroup& cgroup() const { return cgroup_; }
    // Once everything in it has ended: removes what is left of it. Calls back from the loop; an
    // error names what is still there.
    void Remove(Done done);

  private:
    Result<void> MakeCgroup(const Understudy* understudy);
    void FirstStarted(Result<void> started);
    void FirstEnded();
    Result<Fd> PlaceFor(const ProcessSpec& process) const;
    void StartProcess(ProcessStart start, const Done& done);
    void Forget(const ContainerProcess* process);
    void TryRemove();

    const Surroundings& surroundings_;
    ContainerSpec spec_;
    Cgroup cgroup_;
    Freezer freezer_;
    std::vector<std::unique_ptr<ContainerProcess>> processes_;  // the first process first
    // Processes are destroyed a turn later, as they may be on the stack.
    std::vector<std::unique_ptr<ContainerProcess>> gone_;
    bool held_ = false;
    bool running_ = false;
    Done started_;  // who waits for Start or Release
    Done removed_;
    int removal_tries_ = 0;
    uv::Timer sweep_;
    uv::Timer removal_;
};

}  // namespace cc::agent

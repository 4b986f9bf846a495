// SPDX-License-Identifier: Apache-2.0
// The cgroup of a container, in the unified hierarchy: limits, and the one reliable list of its
// processes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "agent/resources.h"
#include "base/fd.h"

namespace cc::agent {

// Makes `path` (below a mounted cgroup2) a parent of containers' cgroups: with every controller
// there is.
Result<void> PrepareCgroupParent(const std::string& path);
// Passes all controllers of a cgroup on to its children.
Result<void> EnableControllers(const std::string& path);

// With everything below it. EBUSY while a process is in it; missing is success.
Result<void> RemoveCgroup(const std::string& path);

class Cgroup {
  public:
    Cgroup() = default;
    static Result<Cgroup> Make(const std::string& path, const ResourceSpec& resources);

    // New limits; what `resources` leaves open stays, and all of it when one is refused. `present`:
    // see AttachDeviceFilter.
    Result<void> Limit(const ResourceSpec& resources,
                       const std::vector<DeviceRule>* present = nullptr) const;
    // Opened as a directory, for a child to be born in.
    Result<Fd> Open() const;
    // For a process that joins `member`: the same, unless the container has divided its cgroup,
    // whose top then takes no processes; then the one that `member` is in.
    Result<Fd> OpenFor(pid_t member) const;
    // One at or below it that is there, by its path from this one ("/", "/sub"); it may have been
    // made by the container.
    Result<Fd> OpenBelow(const std::string& path) const;
    // All processes in it and below, in the agent's pid namespace, ascending.
    std::vector<pid_t> Processes() const;
    Result<void> Signal(int signal) const;
    // Kills everything in it at once; what forks meanwhile does not escape.
    void Kill() const;
    // How many processes in it and below the kernel has killed for want of memory, ever.
    uint64_t MemoryKills() const;
    // With what the container made below it. EBUSY while a process is still in it; missing is
    // success.
    Result<void> Remove() const;
    const std::string& path() const { return path_; }
    // Of the session keyring that all processes in it share.
    std::string KeyringName() const;

  private:
    std::string path_;
};

}  // namespace cc::agent

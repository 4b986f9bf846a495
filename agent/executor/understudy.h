// SPDX-License-Identifier: Apache-2.0
// A child that was forked before its container is known, with the namespaces and the cgroup of its
// own that most containers ask for, and waits to hear what that is. Forking, and making those, is a
// tenth of what a clone does to start its first container; a machine that is to be saved does it
// before.
#pragma once

#include <string>
#include <vector>

#include "agent/cgroup.h"
#include "agent/executor/launch.h"

namespace cc::agent {

class Understudy {
  public:
    // One that is destroyed without a part ends.
    // `share`, `cgroup_parent`: see Surroundings.
    static Result<Understudy> Make(const std::string& share, const std::string& cgroup_parent);
    Understudy(Understudy&&) = default;
    Understudy& operator=(Understudy&&) = default;

    // Whether it can be the first process of such a container. `shared`: see LaunchOptions.
    static bool Suits(const ContainerSpec& spec, const BornIn& shared);
    // The NEWCONTAINER message and the pod's name, of which it makes the container's specification
    // again: its memory is a copy of the agent's from when it was forked.
    void Learn(std::string_view message, const std::string& pod_hostname);
    // For the container; removed with it.
    const Cgroup& cgroup() const { return cgroup_; }
    // What the cgroup allows until something else is said.
    static const std::vector<DeviceRule>& Devices();
    // From now on it is a child as Launch forks one. After an error it is none, and has ended.
    Result<Child> Play(const LaunchOptions& options);

  private:
    Understudy() = default;

    Cgroup cgroup_;
    Child child_;
    Fd socket_;
    std::string part_;
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// What a machine does before it is saved as a template, and a clone that waits in a pool: it makes
// a container, runs a program in it and removes both again, so that the pages, caches and (under
// emulation) translated code of a start are there when the real one comes. Leaves nothing behind.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/container.h"

namespace cc::agent {

class Rehearsal {
  public:
    using Done = std::function<void(Result<void>)>;

    // `mount_share` mounts the shared directory on the path it is given, as the pod's start does.
    Rehearsal(const Surroundings& surroundings,
              std::function<Result<void>(const std::string&)> mount_share);
    // Calls back once, from the loop; the object may be destroyed then.
    void Run(Done done);

  private:
    void MakeContainer();
    void RemoveContainer(const Result<void>& so_far);
    void CleanUp(const Result<void>& so_far);

    const Surroundings& surroundings_;
    std::function<Result<void>(const std::string&)> mount_share_;
    std::unique_ptr<Container> container_;
    Done done_;
};

}  // namespace cc::agent

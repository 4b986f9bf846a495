// SPDX-License-Identifier: Apache-2.0
// What a machine does before it is saved as a template, and a clone that waits in a pool: an agent
// of its own, on a pair of sockets, is told to start a pod, to make a container, to run two
// programs in it and to remove it all again, in the very frames that cc-proxy will send. So the
// pages, caches and (under emulation) translated code of a start are there when the real one comes.
// Leaves nothing behind.
#pragma once

#include <functional>
#include <memory>

#include "agent/pod.h"

namespace cc::agent {

class Rehearsal {
  public:
    using Done = std::function<void(Result<void>)>;

    Rehearsal(const Surroundings& surroundings, PodOptions options);
    ~Rehearsal();
    // Calls back once, from the loop; the object may be destroyed then.
    void Run(Done done);

  private:
    struct Cast;  // everybody who plays

    Result<void> Begin();
    void CleanUp(Result<void> how);
    void ReturnNetwork();

    const Surroundings& surroundings_;
    const PodOptions options_;
    std::optional<Network> network_;  // what the machine's device becomes meanwhile
    std::unique_ptr<Cast> cast_;
    Result<void> how_;
    Done done_;
    uv::Timer curtain_;  // the cast is on the stack when the play ends
};

}  // namespace cc::agent

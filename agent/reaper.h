// SPDX-License-Identifier: Apache-2.0
// Reaping: as PID 1 the agent inherits every orphan of the machine, so it waits for all children
// and tells those who care.
#pragma once

#include <functional>
#include <map>

#include <sys/types.h>

#include "base/uv/loop.h"

namespace cc::agent {

class Reaper {
  public:
    using Callback = std::function<void(int wait_status)>;
    explicit Reaper(uv::Loop& loop);
    Result<void> Start();
    // Calls back once, from the loop, when the process has ended. Must be called in the same turn
    // of the loop as its fork.
    void Watch(pid_t pid, Callback callback) { watched_[pid] = std::move(callback); }

  private:
    void ReapAll();

    uv::SignalWatch signal_;
    std::map<pid_t, Callback> watched_;
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Holding a cgroup still and letting it go on (cgroup.freeze). The kernel stops each process at its
// next way out of it, so that takes a moment; SIGKILL works on processes that are held.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/uv/loop.h"

namespace cc::agent {

class Freezer {
  public:
    using Done = std::function<void(Result<void>)>;

    explicit Freezer(uv::Loop& loop) : poll_(loop, [this] { Look(); }) {}

    // The kernel has been told to hold the cgroup at `path`; new processes in it do not get to run.
    static bool Wanted(const std::string& path);

    // Calls back from the loop, once everything in it and below is still, or once it may go on.
    // When that cannot be had in time it goes on and `done` gets an error. One at a time.
    void Freeze(const std::string& path, Done done) { Begin(path, true, std::move(done)); }
    void Thaw(const std::string& path, Done done) { Begin(path, false, std::move(done)); }

  private:
    void Begin(const std::string& path, bool frozen, Done done);
    void Look();
    void Finish(Result<void> result);

    std::string path_;
    bool frozen_ = false;  // what is wanted
    std::chrono::steady_clock::time_point deadline_;
    Done done_;
    uv::Timer poll_;
};

}  // namespace cc::agent

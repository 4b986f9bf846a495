// SPDX-License-Identifier: Apache-2.0
// Looks after the container's network namespace for as long as the VM lives: when something has
// changed in it and it has been quiet for a moment, the runtime is called, which brings the guest
// up to date. Nothing is looked at that was not announced by the kernel.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/process.h"
#include "base/uv/loop.h"
#include "netns/monitor.h"
#include "protocol/network.h"

namespace cc {

// Who is called: `<executable> --root <root> follow-network --sandbox=<sandbox>`, as cc-runtime.
struct NetworkFollower {
    std::string executable;
    std::string root;
    std::string sandbox;
};

class NetworkWatch {
  public:
    static Result<std::unique_ptr<NetworkWatch>> Start(uv::Loop& loop, Fd network_namespace,
                                                       NetworkFollower follower);
    ~NetworkWatch();

  private:
    NetworkWatch(uv::Loop& loop, Fd network_namespace, NetworkFollower follower,
                 netns::Socket reader, netns::Monitor monitor);
    void OnEvent();
    void OnQuiet();
    Result<void> Call();
    void OnCallEnd();

    uv::Loop& loop_;
    Fd namespace_;
    NetworkFollower follower_;
    netns::Socket reader_;
    netns::Monitor monitor_;
    // What the guest was told of; none: nobody knows.
    std::optional<Network> seen_;
    int failures_ = 0;  // of calls, one after another
    uv::Poll events_;
    uv::Timer quiet_;
    std::chrono::steady_clock::time_point first_;  // event that has not been looked into
    // One call at a time; what happens meanwhile is for the next.
    Process call_;
    Fd said_;  // its standard error
    std::unique_ptr<uv::Poll> call_end_;
    bool again_ = false;
};

}  // namespace cc

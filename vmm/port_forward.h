// SPDX-License-Identifier: Apache-2.0
// Who connects to 127.0.0.1 in the container's network namespace on the host reaches what listens
// there in the guest: each connection is handed to the runtime, which has the agent connect.
#pragma once

#include <list>
#include <memory>

#include "base/process.h"
#include "base/uv/loop.h"
#include "netns/loopback.h"
#include "vmm/network_watch.h"

namespace cc {

class PortForward {
  public:
    // The runtime is called as `<executable> --root <root> forward --sandbox=<sandbox> --port=N`,
    // the connection its standard input and output.
    static Result<std::unique_ptr<PortForward>> Start(uv::Loop& loop, const Fd& network_namespace,
                                                      NetworkFollower runtime);
    ~PortForward();

  private:
    struct Connection {
        explicit Connection(uv::Loop& loop, std::function<void()> on_end)
            : end(loop, [then = std::move(on_end)](int) { then(); }) {}
        Process runtime;
        uv::Poll end;
    };
    PortForward(uv::Loop& loop, netns::LoopbackCatch caught, NetworkFollower runtime);
    void Accept(const Fd& listener);
    Result<void> HandOver(const Fd& connection);

    uv::Loop& loop_;
    netns::LoopbackCatch caught_;
    NetworkFollower runtime_;
    uv::Poll ipv4_, ipv6_;
    std::list<Connection> connections_;
};

}  // namespace cc

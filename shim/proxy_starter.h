// SPDX-License-Identifier: Apache-2.0
// Starts a proxy for a shim that misses its own, from the event loop and without waiting in it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/uv/loop.h"
#include "client/proxy_start.h"
#include "shim/host_mounts.h"

namespace cc::shim {

class ProxyStarter {
  public:
    // `host` is not ours. `on_up`: the proxy that was started listens.
    ProxyStarter(uv::Loop& loop, ProxyAddress address, const HostMounts& host,
                 std::function<void()> on_up);

    // False for a shim that was not told which program the proxy is: it waits for somebody else to
    // start one.
    bool able() const { return !address_.executable.empty(); }
    // Nobody listens. Does nothing while a proxy is on its way, started by us or another, or when
    // the last one failed just now; so it may be called again and again.
    void Start();
    const std::string& failure() const { return failure_; }  // why the last one failed, or empty

    // At SIGCHLD: whether it was about a proxy of ours, which is no news to anybody.
    bool TakeChildsEnd();

  private:
    Result<std::optional<ProxyStart>> Begin() const;
    Result<void> Watch();
    void OnWord();
    void Fail(const Error& error);

    uv::Loop& loop_;
    ProxyAddress address_;
    const HostMounts& host_;
    std::function<void()> on_up_;
    std::optional<ProxyStart> start_;
    std::unique_ptr<uv::Poll> word_;  // goes before start_, whose descriptor it watches
    std::vector<Process> children_;
    bool child_ended_ = false;  // reaped already, the signal is still to come
    std::chrono::steady_clock::time_point not_before_;
    std::string failure_;
};

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
// Has a proxy started for a shim that misses its own: by the keeper of its VM, because what a shim
// starts itself would end with the shim's pid namespace. From the event loop and without waiting in
// it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/uv/loop.h"
#include "protocol/proxy_address.h"
#include "shim/host_mounts.h"

namespace cc::shim {

class ProxyRequest {
  public:
    struct Callbacks {
        std::function<void()> on_answer;    // a proxy listens, or is on its way
        std::function<void()> on_vm_ended;  // there is no keeper any more
    };

    // `keeper`: the path of its socket. `host` is not ours.
    ProxyRequest(uv::Loop& loop, std::string keeper, ProxyAddress address, const HostMounts& host,
                 Callbacks callbacks);

    // False for a shim that was told of no keeper, or not which program the proxy is: it waits for
    // somebody else to start one.
    bool able() const { return !keeper_.empty() && !address_.executable.empty(); }
    // Nobody listens. Does nothing while an answer is awaited, or has just come; so it may be
    // called again and again.
    void Send();
    const std::string& failure() const { return failure_; }  // why the last one failed, or empty

  private:
    Result<Fd> Ask() const;
    void OnAnswer();
    void Settle(const std::string& failure, std::chrono::milliseconds pause);

    uv::Loop& loop_;
    std::string keeper_;
    ProxyAddress address_;
    const HostMounts& host_;
    Callbacks callbacks_;
    Fd socket_;
    std::unique_ptr<uv::Poll> answer_;  // goes before the socket that it watches
    std::chrono::steady_clock::time_point not_before_;
    std::string failure_;
};

}  // namespace cc::shim

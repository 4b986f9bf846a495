// SPDX-License-Identifier: Apache-2.0
// UPDATENETWORK: the network of a pod that runs becomes another.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/network/device.h"
#include "base/uv/loop.h"
#include "netns/monitor.h"

namespace cc::agent {

class NetworkChange {
  public:
    using Done = std::function<void(Result<void>)>;

    // `was`: as the pod was last told. Devices that the machine has not yet are waited for. `done`
    // is called once, also before this returns, and may destroy the change.
    NetworkChange(uv::Loop& loop, NetworkDevice& device, Network was, Network wanted);
    void Run(Done done);

  private:
    Result<void> Begin();
    // Whether all are there.
    Result<bool> FindDevices();
    // Of a link that is to be `wanted`: the address that its device has, of those it may have.
    Result<std::string> PresentMac(const NetworkLink& wanted);
    Result<void> Apply();
    void OnChange();
    void Finish(Result<void> how);

    NetworkDevice& device_;
    Network was_, wanted_;
    std::string missing_;  // address of a device that is waited for
    std::optional<netns::Monitor> monitor_;
    uv::Poll poll_;
    uv::Timer deadline_;
    Done done_;
};

}  // namespace cc::agent

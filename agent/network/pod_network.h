// SPDX-License-Identifier: Apache-2.0
// The machine's network as a pod shall see it.
#pragma once

#include "agent/network/device.h"
#include "protocol/agent_messages.h"

namespace cc::agent {

// Of STARTPOD, in the agent itself: a device that the pod does not have is not seen by it. Only a
// Network of ours can say so.
Result<void> HideUnusedDevice(const StartPod& message, NetworkDevice& device);
// Of STARTPOD, in the caller's network namespace: what our Network says, or 3.0's interfaces and
// routes.
Result<void> StartNetwork(const StartPod& message);
// Undoes what 3.0's interfaces did, for a host that starts another pod in this machine; one of ours
// does not.
Result<void> EndNetwork(const Network& network);

// SETUPINTERFACE and SETUPROUTE.
Result<void> SetupInterface(const NetworkLink& link);
Result<void> SetupRoutes(const std::vector<NetworkRoute>& routes);

}  // namespace cc::agent

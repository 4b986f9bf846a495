// SPDX-License-Identifier: Apache-2.0
#include "agent/network/pod_network.h"

#include <algorithm>

#include "base/text.h"
#include "netns/apply.h"

namespace cc::agent {

Result<void> HideUnusedDevice(const StartPod& message, NetworkDevice& device) {
    if (!message.network) return device.Show();
    const auto& links = message.network->links;
    const bool used = std::any_of(links.begin(), links.end(), [](const NetworkLink& link) {
        return link.device == kNicAddress;
    });
    return used ? device.Show() : device.Hide();
}

Result<void> StartNetwork(const StartPod& message) {
    const bool theirs = !message.pod_network.links.empty() || !message.pod_network.routes.empty();
    if (!theirs && (!message.network || message.network->links.empty())) return {};
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    if (!message.network) return netns::ApplyNetwork(socket, message.pod_network);
    return netns::ApplyNetwork(socket, *message.network);
}

Result<void> EndNetwork(const Network& network) {
    if (network.links.empty()) return {};
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    for (const auto& link : network.links)
        CC_TRY(netns::ClearLink(socket, link.name));
    return {};
}

Result<void> SetupInterface(const NetworkLink& link) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    return Context(Cat("interface ", link.name), netns::ApplyLink(socket, link));
}

Result<void> SetupRoutes(const std::vector<NetworkRoute>& routes) {
    CC_ASSIGN(const netns::Socket socket, netns::Socket::Open());
    for (const auto& route : routes)
        CC_TRY(netns::ApplyRoute(socket, route));
    return {};
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Steps of a creation that are about the sandbox's network.
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/sandbox/creation.h"

namespace cc::runtime {

// Before anything is made, and before a single link is touched.
Result<void> Creation::OpenNetwork() {
    const OciNamespace* network = bundle_.spec.Namespace("network");
    new_network_ = network != nullptr && network->path.empty();
    if (new_network_) return {};
    const bool connects = !role_.joins() && config_.network;
    if (network == nullptr) {
        if (connects) return RefuseHostNetwork();
        return {};
    }
    CC_ASSIGN(network_, OpenNetworkNamespace(network->path));
    if (!connects) return {};
    CC_ASSIGN(const bool host, IsHostNetwork(network_));
    if (host) return RefuseHostNetwork();
    return {};
}

// The hooks have run, by which engines make it.
Result<void> Creation::ReadNetwork() {
    if (!config_.network) return {};
    if (new_network_) {
        CC_ASSIGN(network_, NetworkNamespaceOf(shim_->process().pid()));
    }
    CC_ASSIGN(network_plan_, PlanNetwork(network_));
    const OciNamespace* network = bundle_.spec.Namespace("network");
    CC_ASSIGN(sandbox_.network,
              RecordOf(network_, new_network_ ? "" : network->path, network_plan_));
    return {};
}

// Before it is connected: what is recorded and missing harms nobody.
Result<void> Creation::RecordNetwork() {
    if (network_plan_.link.empty()) return {};
    undo_.Push([this] { LogFailure("undoing the network", LeaveTap(network_, sandbox_.network)); });
    return store_.Save(sandbox_);
}

// Nothing is done for a namespace without links: that of `--network none`. In a thread of its own:
// touches nothing that others change meanwhile.
Result<void> Creation::ConnectNetwork() const {
    if (network_plan_.link.empty()) return {};
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    CC_TRY(vm.AttachNetwork(network_));
    return JoinTap(network_, network_plan_);
}

Result<void> Creation::TellNetwork(cc::StartPod& pod) const {
    if (!config_.network) return {};
    const bool known = agent_ && agent_->extension >= kNetworkExtension;
    if (!known && !network_plan_.link.empty())
        return Fail(
            "the agent in the guest's image is older than this program and knows no networks: "
            "install image and program of one version");
    if (known) pod.network = network_plan_.network;
    return {};
}

}  // namespace cc::runtime

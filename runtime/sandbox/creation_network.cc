// SPDX-License-Identifier: Apache-2.0
// Steps of a creation that are about the sandbox's network.
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/network/cards.h"
#include "runtime/network/follow.h"
#include "runtime/sandbox/creation.h"

namespace cc::runtime {

namespace {

Failure FailAgentTooOld(std::string_view unknown) {
    return Fail(Cat("the agent in the guest's image is older than this program and knows no ",
                    unknown, ": install image and program of one version"));
}

}  // namespace

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

// The hooks have run, by which engines make it; or it is only where it will be.
Result<void> Creation::ReadNetwork() {
    if (!config_.network) return {};
    if (new_network_) {
        CC_ASSIGN(network_, NetworkNamespaceOf(shim_->process().pid()));
    }
    const OciNamespace* network = bundle_.spec.Namespace("network");
    CC_ASSIGN(sandbox_.network, RecordOf(network_, new_network_ ? "" : network->path));
    sandbox_.network.policy = {config_.model, config_.physical, MostNics(config_.machine),
                               config_.guard_addresses};
    if (network_later_) return {};
    CC_TRY(CheckUnused(network_));
    CC_ASSIGN(network_plan_, PlanNetwork(network_, sandbox_.network));
    return CheckPlan(network_plan_, config_.machine);
}

// Before the VM is there, which may have them from its start; they go back once it has ended.
Result<void> Creation::TakeDevices() {
    undo_.Push([this] {
        LogFailure("returning devices to the host",
                   ReturnDevices(PciBus(), sandbox_.network.cards, network_));
    });
    if (network_plan_.cards.empty()) return {};
    sandbox_.network.cards = network_plan_.cards;
    CC_TRY(store_.Save(sandbox_));
    for (const auto& card : sandbox_.network.cards)
        CC_TRY(TakeDevice(PciBus(), card));
    return {};
}

// Before it is connected: what is recorded and missing harms nobody.
Result<void> Creation::RecordNetwork() {
    if (!config_.network) return {};
    sandbox_.network.told = FirstPart(network_plan_.network);
    sandbox_.network.links = NamesOf(sandbox_.network.told.links);
    sandbox_.network.follows = FollowsNetwork();
    undo_.Push([this] { LogFailure("undoing the network", LeaveTap(network_, sandbox_.network)); });
    return store_.Save(sandbox_);
}

// Nothing is done for a namespace without links: that of `--network none`. In a thread of its own:
// touches nothing that others change meanwhile.
Result<void> Creation::ConnectNetwork() const {
    const Network& first = sandbox_.network.told;
    if (first.links.empty() && !network_expected_) return {};
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    CC_TRY(vm.AttachNetwork(0, network_));
    if (first.links.empty()) return {};
    return JoinTap(network_, first, first.links.front(), sandbox_.network.policy);
}

// Links beyond the first need devices that are plugged in now; from here on the keeper looks for
// more.
Result<void> Creation::FollowNetwork() {
    if (!sandbox_.network.follows) return {};
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    CC_TRY(vm.WatchNetwork(network_, store_.root(), sandbox_.id));
    return runtime::FollowNetwork(store_, sandbox_, network_);
}

bool Creation::FollowsNetwork() const {
    return agent_ && agent_->extension >= kNetworkUpdateExtension;
}

Result<void> Creation::TellNetwork(cc::StartPod& pod) const {
    if (!config_.network) return {};
    const bool known = agent_ && agent_->extension >= kNetworkExtension;
    const bool more = network_plan_.network.links.size() > (known ? 1 : 0);
    if ((more || !network_plan_.cards.empty()) && !FollowsNetwork())
        return FailAgentTooOld(known ? "second network" : "networks");
    // A pod that is told nothing sees the machine's device, which for one without a network is put
    // out of its sight: neither takes the guest long before there are containers.
    if (known && !network_expected_) pod.network = FirstPart(network_plan_.network);
    return {};
}

// What hooks have made while the guest was made without it.
Result<void> Creation::ConnectLate() {
    if (!config_.network) return {};
    CC_ASSIGN(network_plan_, PlanNetwork(network_, sandbox_.network));
    CC_TRY(CheckPlan(network_plan_, config_.machine));
    if (!network_plan_.network.links.empty() && !FollowsNetwork())
        return FailAgentTooOld("networks that come later");
    CC_TRY(Context("connecting the virtual machine to the network", FollowNetwork()));
    if (!network_expected_ || !network_plan_.network.links.empty() || !FollowsNetwork()) return {};
    return Context("hiding the device of a network that did not come", TellNoNetwork(sandbox_));
}

}  // namespace cc::runtime

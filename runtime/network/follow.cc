// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/follow.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "protocol/update_network.h"
#include "runtime/network/cards.h"
#include "runtime/network/sandbox_network.h"
#include "runtime/sandbox/agent_call.h"

namespace cc::runtime {

namespace {

bool JoinedBefore(const Network& told, const NetworkLink& link) {
    return std::any_of(told.links.begin(), told.links.end(), [&](const NetworkLink& known) {
        return known.device == link.device && known.index == link.index && known.mtu == link.mtu;
    });
}

Result<void> PlugCard(const SandboxRecord& sandbox, const CardRecord& card, const Network& wanted,
                      const NetworkLink& link, const Fd& network_namespace) {
    CC_TRY(TakeDevice(PciBus(), card));
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox.vm_directory));
    if (card.card.kind != CardKind::kMacvtap) return vm.AttachCard(card.card);
    CC_TRY(vm.AttachCard(card.card, network_namespace));
    return FitMacvtap(network_namespace, wanted, link, card.card.number, sandbox.network.policy);
}

Result<void> JoinLink(const SandboxRecord& sandbox, const Network& wanted, const NetworkLink& link,
                      const Fd& network_namespace) {
    const LinkPolicy& policy = sandbox.network.policy;
    const CardRecord* card = CardOf(sandbox.network.cards, link);
    const bool joined = JoinedBefore(sandbox.network.told, link);
    if (card != nullptr) {
        if (!joined) return PlugCard(sandbox, *card, wanted, link, network_namespace);
        if (card->card.kind != CardKind::kMacvtap) return {};
        return GuardLink(network_namespace, wanted, link, card->card.number, policy);
    }
    CC_ASSIGN(const int number, NicNumber(link.device));
    if (joined) return GuardLink(network_namespace, wanted, link, number, policy);
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox.vm_directory));
    CC_TRY(vm.AttachNetwork(number, network_namespace));
    return JoinTap(network_namespace, wanted, link, policy);
}

Result<void> JoinLinks(const SandboxRecord& sandbox, const Network& wanted,
                       const Fd& network_namespace) {
    for (const auto& link : wanted.links)
        CC_TRY(JoinLink(sandbox, wanted, link, network_namespace));
    return {};
}

// Where links are on the host is nothing to the guest.
Result<void> Tell(const SandboxRecord& sandbox, Network wanted) {
    for (auto& link : wanted.links)
        link.index = 0;
    CC_ASSIGN(Attached attached, Attach(sandbox, 0));
    CC_TRY(CallAgent(attached.client, ControlCode::kUpdateNetwork,
                     Encode(UpdateNetwork{std::move(wanted)})));
    return {};
}

// The agent knows only that a device did not appear.
Result<void> ExplainMissingDevice(Result<void> told, const std::vector<CardRecord>& cards) {
    const bool physical = std::any_of(cards.begin(), cards.end(), [](const CardRecord& card) {
        return card.card.kind == CardKind::kPhysical;
    });
    if (!told && physical)
        told.error().message +=
            "; for a device of the host's the guest's kernel needs its driver: set kernel, or "
            "physical_interfaces = \"tap\"";
    return told;
}

}  // namespace

Result<void> FollowNetwork(const Store& store, SandboxRecord& sandbox,
                           const Fd& network_namespace) {
    NetworkRecord& record = sandbox.network;
    if (!record.follows) return {};
    CC_ASSIGN(NetworkPlan plan, PlanNetwork(network_namespace, record));
    Network& wanted = plan.network;
    if (wanted == record.told) return {};
    record.cards = std::move(plan.cards);
    const std::vector<std::string> names = NamesOf(wanted.links);
    Log(LogLevel::kInfo, "the network of a sandbox has changed",
        {{"sandbox", sandbox.id}, {"links", Join(names, " ")}});
    record.links.insert(record.links.end(), names.begin(), names.end());
    CC_TRY(store.Save(sandbox));
    CC_TRY(JoinLinks(sandbox, wanted, network_namespace));
    CC_TRY(ExplainMissingDevice(Tell(sandbox, wanted), record.cards));
    record.links = names;
    record.told = std::move(wanted);
    return store.Save(sandbox);
}

Result<void> TellNoNetwork(const SandboxRecord& sandbox) {
    return Tell(sandbox, {});
}

Result<void> FollowNetwork(const Store& store, const ContainerRecord& container) {
    CC_ASSIGN(const FileLock lock, store.LockSandbox(container.sandbox_id));
    CC_ASSIGN(SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    const Fd network = FindNetwork(sandbox.network, container.shim);
    if (!network) return {};
    return Context("connecting the virtual machine to the network",
                   FollowNetwork(store, sandbox, network));
}

void CatchUpWithNetwork(const Store& store, const ContainerRecord& container,
                        const SandboxRecord& sandbox) {
    if (!sandbox.network.follows) return;
    const Fd network = FindNetwork(sandbox.network, container.shim);
    if (!network) return;
    const auto plan = PlanNetwork(network, sandbox.network);
    if (plan && plan->network == sandbox.network.told) return;
    if (auto followed = FollowNetwork(store, container); !followed)
        Log(LogLevel::kWarn, "the guest's network is not up to date",
            {{"why", followed.error().message}});
}

}  // namespace cc::runtime

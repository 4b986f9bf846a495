// SPDX-License-Identifier: Apache-2.0
// The sandbox's network: what its namespace on the host holds is what the guest shall have.
//
// The namespace keeps its links, with names and addresses, because engines look them up there;
// frames that arrive at one go to a device of the machine's, and the other way round. See
// docs/networks.md.
#pragma once

#include "base/fd.h"
#include "protocol/network.h"
#include "protocol/vm_config.h"
#include "runtime/network/link_ways.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Whether it is that of this process or of the host's first one: what is in it belongs to the host,
// and is not to be touched.
Result<bool> IsHostNetwork(const Fd& network_namespace);
Failure RefuseHostNetwork();

struct NetworkPlan {
    Network network;
    std::vector<CardRecord> cards;  // of the machine's devices those that are no taps
};
// What the guest shall have of what the namespace holds: links with addresses, each with a device
// of the machine's (NetworkLink::device), and what leads over them. Links that were told already
// keep their device; those that left the namespace with their device are the guest's all the same.
// Reads the namespace and changes nothing. An error: what a machine cannot be given.
Result<NetworkPlan> PlanNetwork(const Fd& network_namespace, const NetworkRecord& record,
                                const LinkHost& host = {});
// The same of what was read.
Result<NetworkPlan> PlanNetwork(Network found, const NetworkRecord& record, const LinkWays& ways);
// Nobody's machine has the namespace yet. Before anything is made.
Result<void> CheckUnused(const Fd& network_namespace);
// A machine of this type has devices enough.
Result<void> CheckPlan(const NetworkPlan& plan, MachineType machine);
// The part of it that needs no device but the one that every machine begins with.
Network FirstPart(const Network& plan);

// What has to be known to undo it. `path`: of the namespace, empty when it is the shim's.
Result<NetworkRecord> RecordOf(const Fd& network_namespace, const std::string& path);
std::vector<std::string> NamesOf(const std::vector<NetworkLink>& links);

// The link of the network and its device's tap, which is in the namespace already. A link that
// cannot be the port of a bridge is joined by tcfilter, with a warning.
Result<void> JoinTap(const Fd& network_namespace, const Network& network, const NetworkLink& link,
                     const LinkPolicy& policy);
// A macvtap has the MTU that the link below it had when it was made, and no guard.
Result<void> FitMacvtap(const Fd& network_namespace, const Network& network,
                        const NetworkLink& link, int number, const LinkPolicy& policy);
// Of a link that is joined already by device N: its addresses may be others now. A kernel that has
// no guards is a warning.
Result<void> GuardLink(const Fd& network_namespace, const Network& network, const NetworkLink& link,
                       int number, const LinkPolicy& policy);

// None: the namespace has gone, and there is nothing to undo.
Fd FindNetwork(const NetworkRecord& record, const ProcessId& shim);
// The links are as they were before. The machine has ended, or its tap is no use any more.
Result<void> LeaveTap(const Fd& network_namespace, const NetworkRecord& record);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The sandbox's network: what its namespace on the host holds is what the guest shall have.
//
// The model is tcfilter: the namespace keeps its link, with name and addresses, because engines
// look it up there; frames that arrive at it go to the machine's tap, which is moved into the
// namespace, and the other way round. See docs/networks.md.
#pragma once

#include "base/fd.h"
#include "protocol/network.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Whether it is that of this process or of the host's first one: what is in it belongs to the host,
// and is not to be touched.
Result<bool> IsHostNetwork(const Fd& network_namespace);
Failure RefuseHostNetwork();

struct NetworkPlan {
    Network network;   // for the guest
    std::string link;  // of the namespace, that is joined to the machine's tap; empty: none
};
// Reads it and changes nothing. Links without addresses are left out. An error: what a machine
// cannot be given.
Result<NetworkPlan> PlanNetwork(const Fd& network_namespace);
// The same of what was read.
Result<NetworkPlan> PlanNetwork(Network found);

// What has to be known to undo it. `path`: of the namespace, empty when it is the shim's.
Result<NetworkRecord> RecordOf(const Fd& network_namespace, const std::string& path,
                               const NetworkPlan& plan);

// The tap is in the namespace already.
Result<void> JoinTap(const Fd& network_namespace, const NetworkPlan& plan);

// None: the namespace has gone, and there is nothing to undo.
Fd FindNetwork(const NetworkRecord& record, const ProcessId& shim);
// The link is as it was before. The machine has ended, or its tap is no use any more.
Result<void> LeaveTap(const Fd& network_namespace, const NetworkRecord& record);

}  // namespace cc::runtime

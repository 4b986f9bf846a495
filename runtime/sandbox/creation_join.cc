// SPDX-License-Identifier: Apache-2.0
// Steps of a creation that joins a sandbox. The VM, its keeper, its network and its cgroup are the
// sandbox's; nothing here makes or ends them.
#include "base/text.h"
#include "runtime/sandbox/creation.h"
#include "runtime/sandbox/guest_container.h"

namespace cc::runtime {

Result<void> Creation::FindSandbox() {
    // Whether it can be joined is seen under its lock: it may still be on its way up or down.
    CC_ASSIGN(sandbox_, store_.LoadSandbox(role_.sandbox_id));
    CC_ASSIGN(owners_, OwnersOfNamespaces(bundle_.spec, store_, sandbox_.id));
    CC_TRY(PlanContainer());
    if (new_network_)
        return Fail(
            "linux.namespaces: a container cannot have a network of its own in a sandbox that "
            "others share; give the path of the sandbox's network namespace");
    return {};
}

Result<void> Creation::RecordJoin() {
    CC_TRY(ClaimId());
    CC_ASSIGN(sandbox_lock_, store_.LockSandbox(role_.sandbox_id));
    CC_ASSIGN(sandbox_, LoadJoinable(store_, role_.sandbox_id));
    return RecordContainer();
}

// A limit above what the machine has is no error, as it is none on a host.
Result<void> Creation::GrowForAll() {
    CC_ASSIGN(const Limits limits,
              LimitsInSandbox(store_, sandbox_.id, request_.id, bundle_.spec.Resources()));
    awaited_size_ = GrowVmIfPossible(config_, sandbox_, limits);
    return RaiseVmMemory(config_, sandbox_, limits);
}

Result<void> Creation::ShareInto() {
    undo_.Push([this] { Unshare(sandbox_, request_.id); });
    return ShareFiles();
}

Result<void> Creation::MakeInside() {
    undo_.Push([this] { EndInGuest(sandbox_, container_); });
    return MakeContainer();
}

}  // namespace cc::runtime

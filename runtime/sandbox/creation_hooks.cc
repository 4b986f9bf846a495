// SPDX-License-Identifier: Apache-2.0
// Steps of creation that run hooks of the host.
//
// Docker gives a container its network by a hook: dockerd, started once more, which takes longer
// than all the rest. It touches no file of the container's, so VM and container are made beside it,
// as those of a sandbox without a network, which then gets what the hook has made, as it would get
// what `docker network connect` makes. Other hooks may do what they like, and are waited for.
#include <future>

#include "base/mount_namespace.h"
#include "runtime/network/expected.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/creation.h"
#include "runtime/sandbox/hooks.h"

namespace cc::runtime {

void Creation::BeginHooks() {
    hooks_begun_ = true;
    seccomp_ = std::async(std::launch::async, [this] { return MakeSeccompFilter(bundle_.spec); });
}

Result<void> Creation::RunCreateHooks() {
    BeginHooks();
    const Json& configuration = *bundle_.spec.document;
    for (const auto stage : {kPrestart, kCreateRuntime})
        CC_TRY(RunHooks(configuration, stage, container_, Status::kCreating));
    CC_ASSIGN(const bool mount, HasHooks(configuration, kCreateContainer));
    if (!mount) return {};
    // Not the shim's, which has left the host's paths behind. Its mounts go to the share, and with
    // the last descriptor of it.
    CC_ASSIGN(hook_mounts_, Context("hooks.createContainer", MakeMountNamespace()));
    return RunHooks(configuration, kCreateContainer, container_, Status::kCreating,
                    hook_mounts_.get());
}

// The hooks stay in the main thread, which is the one that hears signals.
Result<void> Creation::RunHooksBeside() {
    BeginHooks();
    const ContainerRecord container = container_;  // which the steps change
    network_later_ = true;
    network_expected_ = config_.network && ExpectsNetwork(bundle_.spec);
    auto rest = std::async(std::launch::async, [this] { return RunSteps(BesideHookSteps()); });
    Result<void> ran;
    for (const auto stage : {kPrestart, kCreateRuntime})
        if (ran) ran = RunHooks(*bundle_.spec.document, stage, container, Status::kCreating);
    if (!ran) interrupt_.EndWaits();
    auto made = rest.get();
    CC_TRY(std::move(ran));
    return made;
}

}  // namespace cc::runtime

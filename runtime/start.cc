// SPDX-License-Identifier: Apache-2.0
#include "runtime/start.h"

#include <csignal>

#include "base/process.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/network/follow.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/pod.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<void> CheckCreated(Status status) {
    switch (status) {
        case Status::kCreated:
            return {};
        case Status::kRunning:
            return Fail("cannot start an already running container");
        case Status::kPaused:
            return Fail("cannot start a container in the paused state");
        case Status::kStopped:
            return Fail("cannot start a container that has stopped");
        case Status::kCreating:
            return Fail("cannot start a container that is still being created");
    }
    return {};
}

// As it was at create.
Result<Bundle> RecordedBundle(const Store& store, const ContainerRecord& container) {
    Bundle bundle;
    bundle.directory = container.bundle;
    bundle.rootfs = container.rootfs;
    CC_ASSIGN(bundle.text, store.LoadConfig(container.id));
    CC_ASSIGN(bundle.spec, ParseSpec(bundle.text));
    return bundle;
}

Result<void> StartInGuest(const Store& store, const ContainerRecord& container,
                          const Bundle& bundle) {
    // Docker Engine 26 and newer makes links only now, between create and start.
    CC_TRY(FollowNetwork(store, container));
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    CC_ASSIGN(Attached attached, Attach(sandbox, 0));
    const auto deadline = kAgentDeadline + StartHooksPatience(bundle.spec);
    if (container.held) {
        CC_TRY(CallAgent(attached.client, ControlCode::kStartContainer,
                         Encode(cc::StartContainer{container.id}), "", deadline));
        return {};
    }
    CC_ASSIGN(const SharePlan plan, PlanShare(bundle, container.id));
    NamespaceOwners owners;
    if (container.id != sandbox.id) {
        CC_ASSIGN(owners, OwnersOfNamespaces(bundle.spec, store, sandbox.id));
    }
    CC_ASSIGN(const std::string message,
              NewContainerMessage(bundle.spec, container.id, plan, owners,
                                  {HookState(container, Status::kCreated, kFirstPid)}));
    CC_TRY(
        CallAgent(attached.client, ControlCode::kNewContainer, message, container.token, deadline));
    return {};
}

struct Started {
    ContainerRecord container;
    OciSpec spec;
};

Result<Started> StartProcess(const Store& store, const std::string& id) {
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(ContainerRecord container, store.LoadContainer(id));
    CC_TRY(CheckCreated(CurrentStatus(container, store)));
    CC_ASSIGN(Bundle bundle, RecordedBundle(store, container));
    auto started = StartInGuest(store, container, bundle);
    container.status = Status::kRunning;
    container.token.clear();
    if (started) started = store.Save(container);
    if (!started) {
        // Nothing will ever come for this shim, or nobody would know what did; its end tells
        // whoever waits for it.
        if (const auto shim = Process::Find(container.shim.pid, container.shim.start_time))
            (void)shim->Signal(SIGKILL);
        return Failure(started.error());
    }
    return Started{std::move(container), std::move(bundle.spec)};
}

}  // namespace

Result<void> StartContainer(const Store& store, const std::string& id) {
    CC_ASSIGN(const Started started,
              Context(Cat("starting container ", Quoted(id, 64)), StartProcess(store, id)));
    // Without the lock, because a hook may well want to do something with the container.
    RunHooksAnyway(*started.spec.document, "poststart", started.container, Status::kRunning);
    return {};
}

CliCommand StartVerb() {
    return {.name = "start",
            .help = "run the process of created containers",
            .options = {{.names = "container-id",
                         .value = "ID",
                         .help = "names of the containers",
                         .required = true,
                         .many = true}},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const Store store, app.OpenStore());
                for (const auto& id : own.All("container-id"))
                    CC_TRY(StartContainer(store, id));
                return 0;
            })};
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/start.h"

#include <csignal>

#include "base/process.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/agent_call.h"
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

Result<void> SendNewContainer(const Store& store, const ContainerRecord& container,
                              ProxyClient& client) {
    Bundle bundle;
    bundle.directory = container.bundle;
    bundle.rootfs = container.rootfs;
    CC_ASSIGN(bundle.text, store.LoadConfig(container.id));
    CC_ASSIGN(bundle.spec, ParseSpec(bundle.text));
    CC_ASSIGN(const SharePlan plan, PlanShare(bundle, container.id));
    CC_ASSIGN(const std::string message, NewContainerMessage(bundle.spec, container.id, plan));
    CC_TRY(CallAgent(client, ControlCode::kNewContainer, message, container.token));
    return {};
}

Result<void> StartInGuest(const Store& store, const ContainerRecord& container) {
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    CC_ASSIGN(Attached attached, Attach(sandbox, 0));
    if (!container.held) return SendNewContainer(store, container, attached.client);
    CC_TRY(CallAgent(attached.client, ControlCode::kStartContainer,
                     Encode(cc::StartContainer{container.id})));
    return {};
}

}  // namespace

Result<void> StartContainer(const Store& store, const std::string& id) {
    const std::string what = Cat("starting container ", Quoted(id, 64));
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(ContainerRecord container, store.LoadContainer(id));
    CC_TRY(Context(what, CheckCreated(CurrentStatus(container, store))));
    if (auto sent = StartInGuest(store, container); !sent) {
        // Nothing will ever come for this shim; its end tells whoever waits for it.
        if (const auto shim = Process::Find(container.shim.pid, container.shim.start_time))
            (void)shim->Signal(SIGKILL);
        return Context(what, std::move(sent));
    }
    container.status = Status::kRunning;
    container.token.clear();
    return store.Save(container);
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

// SPDX-License-Identifier: Apache-2.0
// Holding a container's processes still, in the guest; the virtual machine goes on.
#include "base/text.h"
#include "protocol/container_control.h"
#include "runtime/app.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

// Under the container's lock. Whoever was paused before the start waits for it again afterwards.
Result<int> Change(const App& app, const std::string& id, bool pause) {
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(ContainerRecord container, store.LoadContainer(id));
    const std::string what = Cat("container ", Quoted(id, 64));
    const Status status = CurrentStatus(container, store);
    const bool may = pause ? status != Status::kPaused && IsInGuest(status, container)
                           : status == Status::kPaused;
    if (!may)
        return Fail(Cat(what, ": container not ", pause ? "running" : "paused", " (it is ",
                        Name(status), ")"));
    const auto command = pause ? ControlCode::kPauseContainer : ControlCode::kResumeContainer;
    CC_TRY(Context(what, CallGuest(store, container, command, Encode(OneContainer{id}))));
    if (pause) {
        container.paused_before_start = status == Status::kCreated;
        container.status = Status::kPaused;
    } else {
        container.status = container.paused_before_start ? Status::kCreated : Status::kRunning;
        container.paused_before_start = false;
    }
    CC_TRY(store.Save(container));
    return 0;
}

}  // namespace

CliCommand PauseVerb() {
    return {.name = "pause",
            .help = "hold all processes of a container still",
            .options = {ContainerId()},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) {
                return Change(app, own.Get("container-id"), true);
            })};
}

CliCommand ResumeVerb() {
    return {.name = "resume",
            .help = "let the processes of a paused container go on",
            .options = {ContainerId()},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) {
                return Change(app, own.Get("container-id"), false);
            })};
}

}  // namespace cc::runtime

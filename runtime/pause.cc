// SPDX-License-Identifier: Apache-2.0
// Holding a container's processes still, in the guest; the virtual machine goes on.
#include "base/text.h"
#include "protocol/container_control.h"
#include "runtime/app.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

// From one status to the other, under the container's lock. `wrong` says what is the matter in any
// other status, in runc's words.
Result<int> Change(const App& app, const std::string& id, ControlCode command, Status from,
                   Status to, std::string_view wrong) {
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(ContainerRecord container, store.LoadContainer(id));
    const std::string what = Cat("container ", Quoted(id, 64));
    if (const Status status = CurrentStatus(container, store); status != from)
        return Fail(Cat(what, ": ", wrong, " (it is ", Name(status), ")"));
    CC_TRY(Context(what, CallGuest(store, container, command, Encode(OneContainer{id}))));
    container.status = to;
    CC_TRY(store.Save(container));
    return 0;
}

}  // namespace

CliCommand PauseVerb() {
    return {.name = "pause",
            .help = "hold all processes of a running container still",
            .options = {ContainerId()},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) {
                return Change(app, own.Get("container-id"), ControlCode::kPauseContainer,
                              Status::kRunning, Status::kPaused, "container not running");
            })};
}

CliCommand ResumeVerb() {
    return {.name = "resume",
            .help = "let the processes of a paused container go on",
            .options = {ContainerId()},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) {
                return Change(app, own.Get("container-id"), ControlCode::kResumeContainer,
                              Status::kPaused, Status::kRunning, "container not paused");
            })};
}

}  // namespace cc::runtime

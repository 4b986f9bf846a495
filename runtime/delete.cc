// SPDX-License-Identifier: Apache-2.0
#include "runtime/delete.h"

#include "base/log.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/sandbox/removal.h"
#include "runtime/verbs.h"

namespace cc::runtime {

Result<void> DeleteContainer(const Store& store, const std::string& id, bool force,
                             std::string_view kill_after) {
    auto lock = force ? LockToRemove(store, id) : store.LockContainer(id);
    if (!lock && lock.error().code == ENOENT && force) return {};
    CC_TRY(Context("deleting", lock ? Result<void>() : Result<void>(Failure(lock.error()))));
    auto container = store.LoadContainer(id);
    if (!container && force) {
        // Made by a command that was killed before it could write down what it wanted, or spoilt.
        // The sandbox's record may still say what there is to end.
        Log(LogLevel::kWarn, "deleting a container without a good record",
            {{"why", container.error().message}});
        container.emplace();
        container->id = container->sandbox_id = id;
    }
    CC_TRY(container);
    const Status status = CurrentStatus(*container, store);
    // As runc: what was never started goes without force.
    if (!force && status != Status::kStopped && status != Status::kCreated)
        return Fail(Cat("cannot delete container ", id, " that is not stopped: ", Name(status)));
    return Context(Cat("deleting container ", Quoted(id, 64)),
                   RemoveContainer(store, *container, {force, kill_after}));
}

CliCommand DeleteVerb() {
    return {.name = "delete",
            .help = "remove stopped containers and all that belongs to them",
            .options = {{.names = "container-id",
                         .value = "ID",
                         .help = "names of the containers",
                         .required = true,
                         .many = true},
                        {.names = "-f,--force",
                         .value = "",
                         .help = "kill what runs; an unknown id is no error"},
                        {.names = "--kill-after",
                         .value = "STEP",
                         .help = "for tests: be killed after this step",
                         .hidden = true}},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const Store store, app.OpenStore());
                for (const auto& id : own.All("container-id"))
                    CC_TRY(DeleteContainer(store, id, own.Has("force"), own.Get("kill-after")));
                return 0;
            })};
}

}  // namespace cc::runtime

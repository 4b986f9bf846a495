// SPDX-License-Identifier: Apache-2.0
#include "runtime/delete.h"

#include "base/text.h"
#include "runtime/app.h"
#include "runtime/sandbox/removal.h"
#include "runtime/verbs.h"

namespace cc::runtime {

Result<void> DeleteContainer(const Store& store, const std::string& id, bool force) {
    auto lock = store.LockContainer(id);
    if (!lock && lock.error().code == ENOENT && force) return {};
    CC_TRY(Context("deleting", lock ? Result<void>() : Result<void>(Failure(lock.error()))));
    auto container = store.LoadContainer(id);
    if (!container && force) {
        // Made by a command that was killed before it could write down what it wanted.
        CC_TRY(store.RemoveSandbox(id));
        return store.RemoveContainer(id);
    }
    CC_TRY(container);
    const Status status = CurrentStatus(*container, store);
    // As runc: what was never started goes without force.
    if (!force && status != Status::kStopped && status != Status::kCreated)
        return Fail(Cat("cannot delete container ", id, " that is not stopped: ", Name(status)));
    return Context(Cat("deleting container ", Quoted(id, 64)), RemoveContainer(store, *container));
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
                         .help = "kill what runs; an unknown id is no error"}},
            .stop_at_positional = false,
            .run = Run([](App& app, const CliValues& own) -> Result<int> {
                CC_ASSIGN(const Store store, app.OpenStore());
                for (const auto& id : own.All("container-id"))
                    CC_TRY(DeleteContainer(store, id, own.Has("force")));
                return 0;
            })};
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/log.h"
#include "base/text.h"
#include "runtime/create.h"
#include "runtime/delete.h"
#include "runtime/sandbox/wait.h"
#include "runtime/start.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

struct Ending {
    Result<int> status;
    bool created = false;
};

// create, start and, unless detached, wait. The caller deletes what was created.
Ending CreateAndWait(CreateRequest request, RuntimeConfig config, const Store& store,
                     Phases& phases, bool detach) {
    const std::string id = request.id;
    std::optional<Creation> creation(std::in_place, std::move(request), std::move(config), store,
                                     phases);
    if (auto created = creation->Run(); !created) return {Failure(created.error()), false};
    std::optional<ForegroundWait> foreground;
    if (!detach) foreground.emplace();
    if (auto started = StartContainer(store, id); !started) return {Failure(started.error()), true};
    phases.Mark("start", "container");
    if (detach) return {0, true};
    auto status = foreground->Wait(creation->shim());
    phases.Mark("run", "run");
    return {std::move(status), true};
}

Result<int> RunContainer(App& app, const CliValues& own) {
    if (ListSteps(own)) return 0;
    const bool detach = own.Has("detach");
    CC_ASSIGN(RuntimeConfig config, app.LoadConfig());
    CC_ASSIGN(CreateRequest request, ReadCreateRequest(app, own, detach));
    CC_ASSIGN(const Store store, app.OpenStore());
    const std::string id = request.id;
    const TerminalKeeper terminal;
    Phases phases;
    Ending ending = CreateAndWait(std::move(request), std::move(config), store, phases, detach);
    const bool stays = ending.status && (detach || own.Has("keep"));
    if (ending.created && !stays) {
        auto deleted = DeleteContainer(store, id, true);
        phases.Mark("delete", "delete");
        // The first thing that went wrong is the one to tell.
        if (!deleted && ending.status)
            Log(LogLevel::kError, "deleting the container", {{"why", deleted.error().message}});
    }
    if (own.Has("timing") && ending.status) std::fprintf(stderr, "%s", phases.Table().c_str());
    return std::move(ending.status);
}

}  // namespace

CliCommand RunVerb() {
    auto options = CreateOptions();
    options.push_back(
        {.names = "-d,--detach", .value = "", .help = "do not wait for the container's end"});
    options.push_back(
        {.names = "--keep", .value = "", .help = "do not delete the container at its end"});
    options.push_back({.names = "--no-subreaper",
                       .value = "",
                       .help = "accepted for compatibility",
                       .hidden = true});
    options.push_back({.names = "--timing",
                       .value = "",
                       .help = "afterwards, print how long each phase took, on standard error"});
    return {.name = "run",
            .help = "create and start a container, wait for it, and delete it",
            .options = std::move(options),
            .stop_at_positional = false,
            .run = Run(RunContainer)};
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/create.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "runtime/verbs.h"

namespace cc::runtime {

Result<CreateRequest> ReadCreateRequest(const App& app, const CliValues& own, bool detach) {
    CreateRequest request;
    request.id = own.Get("container-id");
    if (request.id.empty() && !own.Has("container-id")) return Fail("container-id is required");
    if (const std::string count = own.Get("preserve-fds", "0"); count != "0")
        return Fail(Cat("--preserve-fds ", Quoted(count),
                        ": descriptors of the host cannot be passed into a virtual machine"));
    request.bundle = own.Get("bundle");
    request.pid_file = own.Get("pid-file");
    request.console = {own.Get("console"), own.Get("console-socket"), detach};
    request.debug = app.debug;
    request.systemd_cgroup = app.systemd_cgroup;
    request.fail_after = own.Get("fail-after");
    request.kill_after = own.Get("kill-after");
    auto steps = Creation::StepNames();
    const auto joining = Creation::JoinStepNames();
    steps.insert(steps.end(), joining.begin(), joining.end());
    for (const auto& step : {request.fail_after, request.kill_after})
        if (!step.empty() && std::find(steps.begin(), steps.end(), step) == steps.end())
            return Fail(Cat("no step of creation is called ", Quoted(step), ", see --list-steps"));
    return request;
}

bool ListSteps(const CliValues& own) {
    const bool join = own.Has("list-join-steps");
    if (!join && !own.Has("list-steps")) return false;
    for (const auto name : join ? Creation::JoinStepNames() : Creation::StepNames())
        std::printf("%s\n", std::string(name).c_str());
    return true;
}

namespace {

Result<int> Create(App& app, const CliValues& own) {
    if (ListSteps(own)) return 0;
    CC_ASSIGN(RuntimeConfig config, app.LoadConfig());
    CC_ASSIGN(CreateRequest request, ReadCreateRequest(app, own, true));
    CC_ASSIGN(Store store, app.OpenStore());
    Phases phases;
    Creation creation(std::move(request), std::move(config), std::move(store), phases);
    CC_TRY(creation.Run());
    return 0;
}

}  // namespace

CliCommand CreateVerb() {
    return {
        .name = "create",
        .help =
            "make a container, in a new virtual machine or in that of its pod; `start` runs its "
            "process",
        .options = CreateOptions(),
        .stop_at_positional = false,
        .run = Run(Create)};
}

}  // namespace cc::runtime

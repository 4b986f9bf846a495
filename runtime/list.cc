// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/sandbox/vm.h"
#include "runtime/state/report.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<std::vector<Observed>> Observe(const Store& store) {
    std::vector<Observed> all;
    CC_ASSIGN(const auto ids, store.Containers());
    for (const auto& id : ids) {
        auto container = store.LoadContainer(id);
        if (!container) {
            // Just being made or removed, or broken: the others are still worth showing.
            if (container.error().code != ENOENT)
                Log(LogLevel::kWarn, "skipping a container", {{"why", container.error().message}});
            continue;
        }
        const Status status = CurrentStatus(*container, store);
        all.push_back({std::move(*container), status});
    }
    return all;
}

// Of a container whose sandbox has gone or is broken nothing is known.
void AddAssets(const Store& store, std::vector<Observed>& all) {
    for (auto& observed : all)
        if (auto sandbox = store.LoadSandbox(observed.container.sandbox_id))
            observed.assets = std::move(sandbox->assets);
}

Result<VmAssets> LatestAssets(App& app) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    CC_ASSIGN(const std::string self, SelfPath());
    CC_ASSIGN(const std::string hypervisor, FindHypervisor(config, self));
    CC_ASSIGN(const GuestFiles guest, FindGuest(config, ShareDirectories(self)));
    return AssetsOf(hypervisor, guest);
}

Result<int> List(App& app, const CliValues& own) {
    const std::string format = own.Get("format", "table");
    if (format != "table" && format != "json")
        return Fail(Cat("invalid format option: ", Quoted(format)));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(auto all, Observe(store));
    if (own.Has("quiet")) {
        for (const auto& observed : all)
            std::printf("%s\n", observed.container.id.c_str());
        return 0;
    }
    VmAssets latest;
    const bool with_assets = own.Has("cc-all");
    if (with_assets) {
        CC_ASSIGN(latest, LatestAssets(app));
        AddAssets(store, all);
    }
    const VmAssets* beside = with_assets ? &latest : nullptr;
    if (format == "json")
        std::printf("%s\n", ListJson(all, beside).c_str());
    else
        std::printf("%s", ListTable(all, beside).c_str());
    return 0;
}

}  // namespace

CliCommand ListVerb() {
    return {
        .name = "list",
        .help = "list containers",
        .options = {{.names = "-f,--format", .value = "FORMAT", .help = "table (default) or json"},
                    {.names = "-q,--quiet", .value = "", .help = "show the names only"},
                    {.names = "--cc-all",
                     .value = "",
                     .help =
                         "also show the hypervisor, kernel and image of each virtual machine, and "
                         "which of them a new one would have otherwise"}},
        .stop_at_positional = false,
        .run = Run(List)};
}

}  // namespace cc::runtime

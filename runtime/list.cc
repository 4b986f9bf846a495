// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/log.h"
#include "base/text.h"
#include "runtime/app.h"
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

Result<int> List(App& app, const CliValues& own) {
    const std::string format = own.Get("format", "table");
    if (format != "table" && format != "json")
        return Fail(Cat("invalid format option: ", Quoted(format)));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const auto all, Observe(store));
    if (own.Has("quiet")) {
        for (const auto& observed : all)
            std::printf("%s\n", observed.container.id.c_str());
        return 0;
    }
    if (format == "json")
        std::printf("%s\n", ListJson(all).c_str());
    else
        std::printf("%s", ListTable(all).c_str());
    return 0;
}

}  // namespace

CliCommand ListVerb() {
    return {
        .name = "list",
        .help = "list containers",
        .options = {{.names = "-f,--format", .value = "FORMAT", .help = "table (default) or json"},
                    {.names = "-q,--quiet", .value = "", .help = "show the names only"}},
        .stop_at_positional = false,
        .run = Run(List)};
}

}  // namespace cc::runtime

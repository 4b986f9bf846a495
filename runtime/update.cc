// SPDX-License-Identifier: Apache-2.0
// New limits for a container that exists: in the guest when it runs, and in the configuration that
// is kept, from which `start` makes it and the next update goes on.
#include <unistd.h>

#include "base/cgroup_writes.h"
#include "base/file.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/undo.h"
#include "protocol/container_control.h"
#include "runtime/app.h"
#include "runtime/oci/resources.h"
#include "runtime/oci/spec.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/growth.h"
#include "runtime/sandbox/limits.h"
#include "runtime/sandbox/pod.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

Result<Json> ReadChanges(const CliValues& own) {
    for (const char* name : {"kernel-memory", "kernel-memory-tcp"})
        if (own.Has(name))
            Log(LogLevel::kWarn,
                "a limit of kernel memory is ignored: there is none in cgroup "
                "version 2",
                {{"option", name}});
    const std::string file = own.Get("resources");
    if (file.empty()) return ResourcesOfOptions(own);
    // As with runc, the other options do not count then.
    CC_ASSIGN(const std::string text,
              file == "-" ? ReadAll(STDIN_FILENO, kMaxSpecBytes) : ReadFile(file, kMaxSpecBytes));
    return Context(file == "-" ? "resources from standard input" : file, ResourcesOfDocument(text));
}

// The whole of linux.resources goes to the guest, so that values which belong together (quota and
// period, memory and swap) arrive together.
Result<void> TellGuest(const Store& store, const ContainerRecord& container,
                       const Json& resources) {
    const UpdateContainer message{container.id, DumpJson(resources)};
    CC_TRY(CallGuest(store, container, ControlCode::kUpdateContainer, Encode(message)));
    return {};
}

// Whose limits on the host are the machine's, too; one of several says nothing about that of all.
bool OwnsVm(const ContainerRecord& container, const SandboxRecord& sandbox) {
    return !sandbox.pod && container.id == sandbox.id;
}

// The object linux.resources of a configuration; empty: none.
Result<Json> ResourcesIn(const std::string& config) {
    CC_ASSIGN(const OciSpec spec, ParseSpec(config));
    return spec.Resources();
}

// Of the limits of all containers of the sandbox, those that grow by this change: a machine that
// could not grow when a container joined it is no reason to refuse it other limits.
Limits RaisedLimits(Limits together, const Limits& before, const Limits& after) {
    if (after.memory <= before.memory) together.memory = 0;
    if (after.millicpus <= before.millicpus) together.millicpus = 0;
    return together;
}

struct Place {
    const Store& store;
    const ContainerRecord& container;
    const SandboxRecord* machine;  // whose VM the container has to itself, or null
    Status status;
};

// All of it or, when it is refused somewhere, nothing: a part of it would be in force unknown to
// the kept configuration, and the next update would end it. The guest comes last, because it takes
// back by itself what it has begun with.
Result<void> ChangeAll(const Place& place, const std::string& before, const std::string& after) {
    CC_ASSIGN(const Json old, ResourcesIn(before));
    CC_ASSIGN(const Json resources, ResourcesIn(after));
    const std::string& id = place.container.id;
    CgroupWrites writes;
    Undo undo;
    undo.Push([&] { TakeBackResources(place.container, place.machine, old, resources, writes); });
    CC_TRY(ApplyResources(place.container, place.machine, resources, writes));
    CC_TRY(place.store.SaveConfig(id, after));
    undo.Push([&] {
        if (const auto saved = place.store.SaveConfig(id, before); !saved)
            Log(LogLevel::kWarn, "the kept configuration has limits that were refused",
                {{"why", saved.error().message}});
    });
    // Otherwise it learns of it with the rest, at `start`.
    if (IsInGuest(place.status, place.container))
        CC_TRY(TellGuest(place.store, place.container, resources));
    undo.Commit();
    return {};
}

Result<int> Update(App& app, const CliValues& own) {
    const std::string id = own.Get("container-id");
    CC_ASSIGN(const Json changes, ReadChanges(own));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const FileLock lock, store.LockContainer(id));
    CC_ASSIGN(const ContainerRecord container, store.LoadContainer(id));
    const std::string what = Cat("updating container ", Quoted(id, 64));
    const Status status = CurrentStatus(container, store);
    if (status == Status::kStopped || status == Status::kCreating)
        return Fail(Cat(what, ": container not running (it is ", Name(status), ")"));
    CC_ASSIGN(const std::string before, store.LoadConfig(id));
    CC_ASSIGN(const std::string config, Context(what, WithResources(before, changes)));
    CC_ASSIGN(const Json resources, ResourcesIn(config));
    // Others of the sandbox see the new limits, or the old ones and the machine as it was.
    CC_ASSIGN(const FileLock sandbox_lock, store.LockSandbox(container.sandbox_id));
    CC_ASSIGN(const SandboxRecord sandbox, store.LoadSandbox(container.sandbox_id));
    CC_ASSIGN(const Json old, ResourcesIn(before));
    CC_ASSIGN(const Limits all, LimitsInSandbox(store, sandbox.id, id, resources));
    CC_ASSIGN(const RuntimeConfig settings, app.LoadConfig());
    CC_TRY(Context(
        what, GrowVm(settings, sandbox, RaisedLimits(all, LimitsOf(old), LimitsOf(resources)))));
    CC_TRY(Context(what, RaiseVmMemory(settings, sandbox, all)));
    const SandboxRecord* machine = OwnsVm(container, sandbox) ? &sandbox : nullptr;
    CC_TRY(Context(what, ChangeAll({store, container, machine, status}, before, config)));
    return 0;
}

}  // namespace

CliCommand UpdateVerb() {
    std::vector<CliOption> options = {
        ContainerId(),
        {.names = "-r,--resources",
         .value = "FILE",
         .help = "OCI linux.resources object to take the values from, - is standard input; the "
                 "other options do not count then"}};
    for (auto& option : ResourceOptions())
        options.push_back(std::move(option));
    return {.name = "update",
            .help = "change the limits of a container",
            .options = std::move(options),
            .stop_at_positional = false,
            .run = Run(Update)};
}

}  // namespace cc::runtime

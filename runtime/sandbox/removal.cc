// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/removal.h"

#include <csignal>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "runtime/oci/spec.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/scope.h"
#include "runtime/sandbox/vm.h"

namespace cc::runtime {

namespace {

// For a guest that may be sick: after that it is ended without being asked.
constexpr std::chrono::milliseconds kGentleDeadline{10000};
constexpr std::chrono::milliseconds kShimDeadline{2000}, kNow{0};

void Note(std::string_view what, const Error& error) {
    Log(LogLevel::kDebug, what, {{"why", error.message}});
}

// Lets the guest end its processes and write what it has to write.
void CloseGuest(const SandboxRecord& sandbox, const std::string& container_id) {
    auto attached = Attach(sandbox, 0);
    if (!attached) return Note("the guest is not asked to finish", attached.error());
    auto& client = attached->client;
    // A process that still runs (delete --force) is killed; on a stopped container this does
    // nothing.
    const auto killed =
        CallAgent(client, ControlCode::kKillContainer,
                  Encode(KillContainer{container_id, SIGKILL, true, 0}), "", kGentleDeadline);
    if (!killed) Note("killing the container in the guest", killed.error());
    if (!killed && killed.error().code == ETIMEDOUT) return;
    const auto removed = CallAgent(client, ControlCode::kRemoveContainer,
                                   Encode(cc::RemoveContainer{container_id}), "", kGentleDeadline);
    if (!removed) Note("removing the container in the guest", removed.error());
    if (!removed && removed.error().code == ETIMEDOUT) return;
    const auto destroyed = CallAgent(client, ControlCode::kDestroyPod, "", "", kGentleDeadline);
    if (!destroyed) Note("ending the pod in the guest", destroyed.error());
}

void Unregister(const SandboxRecord& sandbox) {
    auto client = ProxyClient::Connect(RunningProxyOf(sandbox));
    if (!client) return Note("no cc-proxy to tell", client.error());
    const auto done = client->UnregisterVm({sandbox.vm_name}, kGentleDeadline);
    if (!done) Note("cc-proxy does not know the VM", done.error());
}

// A shim whose process has ended, or whose VM has, ends by itself, with the right status and after
// its last output.
Result<void> EndShim(const ContainerRecord& container, std::chrono::milliseconds patience) {
    return EndProcess(container.shim, patience, "cc-shim");
}

// While the record is still there: should this command be killed, the next one finds it and runs
// them then.
void RunPoststop(const Store& store, const ContainerRecord& container) {
    const auto text = store.LoadConfig(container.id);
    if (!text) return Note("no configuration, so no poststop hooks", text.error());
    if (const auto spec = ParseSpec(*text))
        RunHooksAnyway(*spec->document, "poststop", container, Status::kStopped);
    else
        Note("no poststop hooks", spec.error());
}

}  // namespace

Result<void> RemoveContainer(const Store& store, const ContainerRecord& container,
                             std::string_view kill_after) {
    const auto done = [kill_after](std::string_view step) {
        if (step == kill_after) ::raise(SIGKILL);
    };
    const auto sandbox = store.LoadSandbox(container.sandbox_id);
    if (!sandbox && sandbox.error().code != ENOENT)
        Note("reading the sandbox's state", sandbox.error());
    const bool never_ran =
        container.status == Status::kCreating || container.status == Status::kCreated;
    if (never_ran) CC_TRY(EndShim(container, kNow));
    const bool vm_lives = sandbox && IsAlive(sandbox->keeper) && IsAlive(sandbox->vmm);
    if (vm_lives) CloseGuest(*sandbox, container.id);
    done("guest");
    CC_TRY(EndShim(container, kShimDeadline));
    done("shim");
    if (sandbox) {
        Unregister(*sandbox);
        CC_TRY(StopVm(*sandbox));
        CC_TRY(RemoveTree(sandbox->vm_directory));
    }
    done("vm");
    if (const auto ended = EndScope(sandbox ? sandbox->scope : ""); !ended)
        Note("ending the VM's scope", ended.error());
    if (const auto ended = EndScope(container.scope); !ended)
        Note("ending the container's scope", ended.error());
    // First the VM's, which lies in a directory that may be the container's to remove.
    if (sandbox) RemoveCgroups(sandbox->cgroups_created);
    RemoveCgroups(container.cgroups_created);
    done("cgroup");
    RunPoststop(store, container);
    done("hooks");
    CC_TRY(store.RemoveSandbox(container.sandbox_id));
    done("sandbox");
    return store.RemoveContainer(container.id);
}

}  // namespace cc::runtime

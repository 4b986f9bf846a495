// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/removal.h"

#include <algorithm>
#include <csignal>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "runtime/network/cards.h"
#include "runtime/network/sandbox_network.h"
#include "runtime/oci/spec.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/guest_container.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/scope.h"
#include "runtime/sandbox/vm.h"

namespace cc::runtime {

namespace {

constexpr std::chrono::milliseconds kShimDeadline{2000}, kNow{0};
// Commands hold a container's lock for less than that, but for those that boot a VM.
constexpr std::chrono::milliseconds kMoment{1000};

void NoteRemains(std::string_view what, const Error& error) {
    Log(LogLevel::kDebug, what, {{"why", error.message}});
}

void EndScopeAnyway(const std::string& scope) {
    if (const auto ended = EndScope(scope); !ended) NoteRemains("ending a scope", ended.error());
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
    if (!text) return NoteRemains("no configuration, so no poststop hooks", text.error());
    if (const auto spec = ParseSpec(*text))
        RunHooksAnyway(*spec->document, "poststop", container, Status::kStopped);
    else
        NoteRemains("no poststop hooks", spec.error());
}

// A sandbox seen from a container that leaves it, under the sandbox's lock.
struct Place {
    std::optional<FileLock> lock;
    std::optional<SandboxRecord> sandbox;  // gone, or spoilt: none
    std::vector<ContainerRecord> others;
    bool last() const { return others.empty(); }
};

Result<Place> EnterSandbox(const Store& store, const ContainerRecord& container) {
    Place place;
    auto lock = store.LockSandbox(container.sandbox_id);
    if (!lock && lock.error().code != ENOENT) return Failure(lock.error());
    if (lock) place.lock.emplace(std::move(*lock));
    auto sandbox = store.LoadSandbox(container.sandbox_id);
    if (sandbox)
        place.sandbox.emplace(std::move(*sandbox));
    else if (sandbox.error().code != ENOENT)
        NoteRemains("reading the sandbox's state", sandbox.error());
    CC_ASSIGN(place.others, store.ContainersIn(container.sandbox_id, container.id));
    return place;
}

Result<void> CheckOthersStopped(const Store& store, const Place& place,
                                const ContainerRecord& container) {
    std::vector<std::string> running;
    for (const auto& other : place.others)
        if (CurrentStatus(other, store) != Status::kStopped) running.push_back(other.id);
    if (running.empty()) return {};
    return Fail(Cat("cannot delete sandbox ", container.id, " with containers in it that are not ",
                    "stopped: ", Join(running, ", ")));
}

Result<void> EndVm(const SandboxRecord& sandbox) {
    Unregister(sandbox);
    CC_TRY(StopVm(sandbox));
    return RemoveTree(sandbox.vm_directory);
}

// What it made of directories that others use by now is for the last of them to remove.
Result<void> RemoveContainerCgroups(const Store& store, Place& place,
                                    const ContainerRecord& container) {
    RemoveCgroups(container.cgroups_created);
    if (!place.sandbox || place.last()) return {};
    std::vector<std::string> left;
    for (const auto& directory : container.cgroups_created)
        if (Exists(directory)) left.push_back(directory);
    if (left.empty()) return {};
    auto& all = place.sandbox->cgroups_created;
    std::erase_if(left, [&](const std::string& directory) {
        return std::find(all.begin(), all.end(), directory) != all.end();
    });
    all.insert(all.begin(), left.begin(), left.end());
    return store.Save(*place.sandbox);
}

// Of a VM that is up.
bool GuestHangs(const SandboxRecord& sandbox) {
    auto attached = Attach(sandbox, 0, -1, kForcedDeadline);
    if (!attached) return attached.error().code == ETIMEDOUT;
    const auto answer = CallAgent(attached->client, ControlCode::kPing, "", "", kForcedDeadline);
    return !answer && answer.error().code == ETIMEDOUT;
}

}  // namespace

Result<FileLock> LockToRemove(const Store& store, const std::string& id) {
    auto lock = store.LockContainer(id, kMoment);
    if (lock || lock.error().code != ETIMEDOUT) return lock;
    const auto container = store.LoadContainer(id);
    const bool own = container && container->sandbox_id == id;
    if (const auto sandbox = store.LoadSandbox(id); own && sandbox && GuestHangs(*sandbox))
        CC_TRY(KillVm(*sandbox));
    return store.LockContainer(id);
}

Result<void> RemoveContainer(const Store& store, const ContainerRecord& container,
                             const RemovalOptions& options) {
    const auto done = [&options](std::string_view step) {
        if (step == options.kill_after) ::raise(SIGKILL);
    };
    CC_ASSIGN(Place place, EnterSandbox(store, container));
    const auto& sandbox = place.sandbox;
    const bool own = container.id == container.sandbox_id;
    if (own && !options.force) CC_TRY(CheckOthersStopped(store, place, container));
    // Some are the shim's, and go with it.
    const Fd network = sandbox ? FindNetwork(sandbox->network, container.shim) : Fd();
    const bool never_ran =
        container.status == Status::kCreating || container.status == Status::kCreated;
    if (never_ran) CC_TRY(EndShim(container, kNow));
    const bool vm_lives = sandbox && IsAlive(sandbox->keeper) && IsAlive(sandbox->vmm);
    const bool ends_vm = own || place.last();
    const auto patience = options.force ? kForcedDeadline : kGentleDeadline;
    const bool hangs =
        vm_lives && !(ends_vm ? EndGuest : EndInGuest)(*sandbox, container, patience);
    // The shim sees it end, and says so.
    if (hangs && ends_vm) CC_TRY(KillVm(*sandbox));
    done("guest");
    CC_TRY(EndShim(container, hangs && !ends_vm ? kNow : kShimDeadline));
    done("shim");
    if (sandbox && ends_vm) CC_TRY(EndVm(*sandbox));
    if (sandbox && ends_vm) {
        if (const auto left = LeaveTap(network, sandbox->network); !left)
            NoteRemains("undoing the network", left.error());
        // A driver that does not want its device back will not tomorrow, either.
        if (const auto left = ReturnDevices(PciBus(), sandbox->network.cards, network); !left)
            Log(LogLevel::kError, "a device of the host's has no driver",
                {{"why", left.error().message}});
    }
    if (vm_lives && !ends_vm) {
        Unshare(*sandbox, container.id);
        TakeDisksBack(*sandbox, container.id);
    }
    done("vm");
    if (ends_vm && sandbox) EndScopeAnyway(sandbox->scope);
    EndScopeAnyway(container.scope);
    // First the VM's, which lies in a directory that may be the container's to remove; and of the
    // last container once more, for directories that have been the others'.
    if (sandbox && ends_vm) RemoveCgroups(sandbox->cgroups_created);
    CC_TRY(RemoveContainerCgroups(store, place, container));
    if (sandbox && place.last()) RemoveCgroups(sandbox->cgroups_created);
    done("cgroup");
    RunPoststop(store, container);
    done("hooks");
    if (place.last()) CC_TRY(store.RemoveSandbox(container.sandbox_id));
    done("sandbox");
    return store.RemoveContainer(container.id);
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/guest_container.h"

#include <csignal>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/sandbox/agent_call.h"

namespace cc::runtime {

namespace {

using Clock = std::chrono::steady_clock;

// Between its being killed and the guest's knowing that it has ended.
constexpr std::chrono::milliseconds kRemovalPause{20};

void NoteGuest(std::string_view what, const Error& error) {
    Log(LogLevel::kDebug, what, {{"why", error.message}});
}

// False when the guest did not answer.
bool Ask(ProxyClient& client, std::string_view what, ControlCode command,
         const std::string& message, std::chrono::milliseconds deadline = kGentleDeadline) {
    const auto done = CallAgent(client, command, message, "", deadline);
    if (!done) NoteGuest(what, done.error());
    return done || done.error().code != ETIMEDOUT;
}

// A process that still runs (delete --force) is killed; on a stopped container this does nothing.
// Nothing: the guest did not answer.
std::optional<ProxyClient> KillInGuest(const SandboxRecord& sandbox, const std::string& id,
                                       std::chrono::milliseconds patience) {
    auto attached = Attach(sandbox, 0, -1, patience);
    if (!attached) {
        NoteGuest("the guest is not asked to finish", attached.error());
        return std::nullopt;
    }
    if (!Ask(attached->client, "killing the container in the guest", ControlCode::kKillContainer,
             Encode(KillContainer{id, SIGKILL, true, 0}), patience))
        return std::nullopt;
    return std::move(attached->client);
}

bool RemoveInGuest(ProxyClient& client, const std::string& id) {
    const auto end = Clock::now() + kGentleDeadline;
    while (true) {
        const auto removed = CallAgent(client, ControlCode::kRemoveContainer,
                                       Encode(cc::RemoveContainer{id}), "", kGentleDeadline);
        if (removed) return true;
        if (removed.error().code == ETIMEDOUT) return false;
        const bool runs = removed.error().message.find("still running") != std::string::npos;
        if (!runs || Clock::now() >= end) {
            NoteGuest("removing the container in the guest", removed.error());
            return true;
        }
        std::this_thread::sleep_for(kRemovalPause);
    }
}

}  // namespace

bool EndInGuest(const SandboxRecord& sandbox, const ContainerRecord& container,
                std::chrono::milliseconds patience) {
    auto client = KillInGuest(sandbox, container.id, patience);
    return client && RemoveInGuest(*client, container.id);
}

bool EndGuest(const SandboxRecord& sandbox, const ContainerRecord& container,
              std::chrono::milliseconds patience) {
    auto client = KillInGuest(sandbox, container.id, patience);
    return client &&
           Ask(*client, "removing the container in the guest", ControlCode::kRemoveContainer,
               Encode(cc::RemoveContainer{container.id})) &&
           Ask(*client, "ending the pod in the guest", ControlCode::kDestroyPod, "");
}

void Unshare(const SandboxRecord& sandbox, const std::string& container_id) {
    auto vm = VmClient::Connect(sandbox.vm_directory);
    if (!vm) return NoteGuest("no keeper to take the share away", vm.error());
    const auto done = vm->ShareRemove(container_id);
    if (!done) NoteGuest("taking the share away", done.error());
}

void Unregister(const SandboxRecord& sandbox) {
    auto client = ProxyClient::Connect(RunningProxyOf(sandbox));
    if (!client) return NoteGuest("no cc-proxy to tell", client.error());
    const auto done = client->UnregisterVm({sandbox.vm_name}, kGentleDeadline);
    if (!done) NoteGuest("cc-proxy does not know the VM", done.error());
}

void TakeDisksBack(const SandboxRecord& sandbox, const std::string& container_id) {
    auto vm = VmClient::Connect(sandbox.vm_directory);
    if (!vm) return NoteGuest("no keeper to take disks out of the machine", vm.error());
    if (const auto done = vm->RemoveDisks(container_id); !done)
        Log(LogLevel::kError, "a block device stays in the virtual machine until that ends",
            {{"container", container_id}, {"why", done.error().message}});
}

}  // namespace cc::runtime

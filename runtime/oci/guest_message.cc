// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/guest_message.h"

#include "base/json_full.h"
#include "protocol/agent_frame.h"
#include "protocol/oci_hooks.h"
#include "protocol/pod_sharing.h"
#include "runtime/oci/caller_limits.h"
#include "seccomp/filter.h"

namespace cc::runtime {

namespace {

AgentProcess ForAgent(const OciProcess& process) {
    AgentProcess out;
    out.user = std::to_string(process.uid);
    out.group = std::to_string(process.gid);
    for (const int64_t group : process.additional_gids)
        out.additional_groups.push_back(std::to_string(group));
    out.terminal = process.terminal;
    out.args = process.args;
    for (const auto& entry : process.env) {
        const size_t equals = entry.find('=');
        if (equals == std::string::npos) continue;  // 3.0's form has no way to say it
        out.envs.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
    }
    out.workdir = process.cwd;
    out.no_new_privileges = process.no_new_privileges;
    out.capabilities = process.capabilities;
    return out;
}

constexpr const char* kGuestStage = "startContainer";

bool HasGuestHooks(const OciSpec& spec) {
    const Json* hooks = Member(*spec.document, "hooks");
    return hooks != nullptr && Member(*hooks, kGuestStage) != nullptr;
}

// A tmpfs of the guest in the place of the host's.
void PlanShm(Json& mount, const SharedMemory& shm) {
    Json options = {Cat("size=", shm.bytes), Cat("mode=", shm.mode)};
    for (const auto& option : mount.value("options", Json::array()))
        if (option != "bind" && option != "rbind") options.push_back(option);
    // Also of a container that is alone: others may yet join it (Podman says so of those only).
    mount["type"] = kPodShm;
    mount["options"] = std::move(options);
}

// Paths of the host mean nothing in the guest.
void NameNamespaces(Json& json, const NamespaceOwners& owners) {
    if (!json.contains("linux") || !json["linux"].contains("namespaces")) return;
    for (auto& entry : json["linux"]["namespaces"]) {
        entry.erase("path");
        const auto owner = owners.find(StringMember(entry, "type").value_or(""));
        if (owner != owners.end()) entry["path"] = Cat(kNamespaceOf, owner->second);
    }
}

std::string ForGuest(const OciSpec& spec, const SharePlan& plan, const NamespaceOwners& owners,
                     const GuestDetails& details) {
    Json json = *spec.document;
    for (const auto& [index, source] : plan.guest_sources)
        json["mounts"][index]["source"] = source;
    for (const auto& [index, shm] : plan.shared_memory)
        PlanShm(json["mounts"][index], shm);
    NameNamespaces(json, owners);
    AddCallerLimits(json["process"]);
    if (details.seccomp) json["linux"].erase("seccomp");
    json.erase("hooks");
    if (HasGuestHooks(spec)) {
        json["hooks"][kGuestStage] = (*spec.document)["hooks"][kGuestStage];
        json["state"] = details.hook_state;
    }
    return DumpJson(json);
}

Result<std::string> WithinLimit(std::string message) {
    // On its way it travels inside a Hyper command, with a token and a name around it.
    constexpr size_t kEnvelope = 1024;
    constexpr size_t limit = kMaxControlMessage - kControlHeaderSize - kEnvelope;
    if (message.size() > limit)
        return Fail(Cat("the configuration takes ", message.size(),
                        " bytes on the way to the guest, at most ", limit,
                        " are possible; make its environment, arguments or annotations shorter"),
                    EFBIG);
    return message;
}

}  // namespace

Result<std::optional<SeccompFilter>> MakeSeccompFilter(const OciSpec& spec) {
    const Json* linux_json = Member(*spec.document, "linux");
    const Json* rules = linux_json != nullptr ? Member(*linux_json, "seccomp") : nullptr;
    if (rules == nullptr) return std::nullopt;
    CC_ASSIGN(SeccompFilter filter, CompileSeccomp(*rules));
    return filter;
}

Result<std::string> NewContainerMessage(const OciSpec& spec, const std::string& container_id,
                                        const SharePlan& plan, const NamespaceOwners& owners,
                                        const GuestDetails& details) {
    NewContainer message;
    message.hold = details.hold;
    message.memory_mib = details.memory_mib;
    message.cpus = details.cpus;
    message.id = container_id;
    message.rootfs = "rootfs";
    message.image = container_id;
    message.disks = details.disks.devices;
    if (const auto& root = details.disks.root) {
        message.rootfs = ".";
        message.image = root->name;
        message.fs_type = root->type;
        message.root_disk = root->serial;
        message.root_options = root->options;
    }
    for (const auto& [index, source] : plan.guest_sources) {
        const OciMount& mount = spec.mounts[index];
        message.mounts.push_back({.source = source.substr(kGuestShareDirectory.size() + 1),
                                  .path = mount.destination,
                                  .read_only = mount.Has("ro"),
                                  .absolute_path = false});
    }
    message.process = ForAgent(*spec.process);
    message.seccomp = details.seccomp;
    message.oci = ForGuest(spec, plan, owners, details);
    return WithinLimit(Encode(message));
}

std::chrono::seconds StartHooksPatience(const OciSpec& spec) {
    std::chrono::seconds patience{0};
    const auto hooks = ParseHooks(*spec.document, kGuestStage);
    if (hooks)
        for (const auto& hook : *hooks)
            patience += hook.timeout.value_or(std::chrono::seconds(0));
    return patience;
}

Result<std::string> ExecMessage(const OciProcess& process, const std::string& process_json,
                                const std::string& container_id, const std::string& cgroup) {
    ExecCommand message;
    message.cgroup = cgroup;
    message.container = container_id;
    message.process = ForAgent(process);
    message.oci = process_json;
    return WithinLimit(Encode(message));
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/state/records.h"

#include "base/file.h"
#include "base/json_full.h"
#include "base/process.h"

namespace cc::runtime {

namespace {

constexpr Status kStatuses[] = {Status::kCreating, Status::kCreated, Status::kRunning,
                                Status::kPaused, Status::kStopped};

Json ToJson(const ProcessId& process) {
    return {{"pid", process.pid}, {"startTime", process.start_time}};
}

Result<ProcessId> ParseProcessId(const Json& object) {
    ProcessId process;
    CC_ASSIGN(const int64_t pid, IntMember(object, "pid", 0, 0, INT32_MAX));
    CC_ASSIGN(const int64_t start, IntMember(object, "startTime", 0, 0, INT64_MAX));
    process.pid = static_cast<pid_t>(pid);
    process.start_time = static_cast<uint64_t>(start);
    return process;
}

Result<ProcessId> ProcessMember(const Json& json, std::string_view key) {
    CC_ASSIGN(const Json* object, ObjectMember(json, key));
    return object == nullptr ? ProcessId() : ParseProcessId(*object);
}

Result<std::vector<ProcessId>> ProcessesMember(const Json& json, std::string_view key) {
    CC_ASSIGN(const Json* array, ArrayMember(json, key));
    std::vector<ProcessId> processes;
    if (array == nullptr) return processes;
    for (const Json& entry : *array) {
        CC_ASSIGN(const ProcessId process, ParseProcessId(entry));
        processes.push_back(process);
    }
    return processes;
}

Result<Status> StatusMember(const Json& json) {
    CC_ASSIGN(const std::string name, StringMember(json, "status"));
    for (const Status status : kStatuses)
        if (Name(status) == name) return status;
    return Fail(Cat("unknown status ", Quoted(name)));
}

// Of the host. A record of another boot names processes and cgroups that have gone with it; what
// has their names now is somebody else's. Empty, and then not compared, where /proc does not tell.
const std::string& BootId() {
    static const std::string id{
        Trim(ReadFile("/proc/sys/kernel/random/boot_id", 4096).value_or(""))};
    return id;
}

Result<bool> OfAnotherBoot(const Json& json) {
    CC_ASSIGN(const std::string boot, StringMember(json, "bootId"));
    return !boot.empty() && !BootId().empty() && boot != BootId();
}

}  // namespace

ProcessId Identify(pid_t pid) {
    return {pid, StartTimeOf(pid).value_or(0)};
}

bool IsAlive(const ProcessId& process) {
    if (process.pid <= 0) return false;
    const auto start = StartTimeOf(process.pid);
    return start && *start == process.start_time;
}

std::string_view Name(Status status) {
    switch (status) {
        case Status::kCreating:
            return "creating";
        case Status::kCreated:
            return "created";
        case Status::kRunning:
            return "running";
        case Status::kPaused:
            return "paused";
        case Status::kStopped:
            return "stopped";
    }
    return "stopped";
}

std::string Encode(const ContainerRecord& record) {
    Json json = {{"id", record.id},
                 {"sandbox", record.sandbox_id},
                 {"bootId", BootId()},
                 {"status", Name(record.status)},
                 {"ociVersion", record.oci_version},
                 {"bundle", record.bundle},
                 {"rootfs", record.rootfs},
                 {"created", record.created},
                 {"annotations", Json::object()},
                 {"terminal", record.terminal},
                 {"creator", ToJson(record.creator)},
                 {"shim", ToJson(record.shim)},
                 {"execShims", Json::array()},
                 {"cgroups", record.cgroups},
                 {"cgroupsCreated", record.cgroups_created},
                 {"scope", record.scope},
                 {"held", record.held},
                 {"pausedBeforeStart", record.paused_before_start}};
    for (const auto& [key, value] : record.annotations)
        json["annotations"][key] = value;
    for (const auto& shim : record.exec_shims)
        json["execShims"].push_back(ToJson(shim));
    if (!record.token.empty()) json["token"] = record.token;
    return DumpJson(json);
}

Result<ContainerRecord> ParseContainerRecord(std::string_view text) {
    CC_ASSIGN(const Json json, ParseJson(text, {.bytes = 8 << 20, .depth = 8}));
    ContainerRecord record;
    CC_ASSIGN(record.id, StringMember(json, "id"));
    CC_ASSIGN(record.sandbox_id, StringMember(json, "sandbox"));
    CC_ASSIGN(record.status, StatusMember(json));
    CC_ASSIGN(record.oci_version, StringMember(json, "ociVersion"));
    CC_ASSIGN(record.bundle, StringMember(json, "bundle"));
    CC_ASSIGN(record.rootfs, StringMember(json, "rootfs"));
    CC_ASSIGN(record.created, StringMember(json, "created"));
    CC_ASSIGN(const Json* annotations, ObjectMember(json, "annotations"));
    if (annotations != nullptr)
        for (const auto& [key, value] : annotations->items()) {
            CC_ASSIGN(record.annotations[key], StringMember(*annotations, key));
        }
    CC_ASSIGN(record.terminal, BoolMember(json, "terminal"));
    CC_ASSIGN(record.creator, ProcessMember(json, "creator"));
    CC_ASSIGN(record.shim, ProcessMember(json, "shim"));
    CC_ASSIGN(record.exec_shims, ProcessesMember(json, "execShims"));
    CC_ASSIGN(record.cgroups, StringsMember(json, "cgroups"));
    CC_ASSIGN(record.cgroups_created, StringsMember(json, "cgroupsCreated"));
    CC_ASSIGN(record.scope, StringMember(json, "scope"));
    CC_ASSIGN(record.held, BoolMember(json, "held"));
    CC_ASSIGN(record.paused_before_start, BoolMember(json, "pausedBeforeStart"));
    CC_ASSIGN(record.token, StringMember(json, "token"));
    CC_ASSIGN(const bool past, OfAnotherBoot(json));
    if (past) {
        record.creator = record.shim = {};
        record.exec_shims.clear();
        record.cgroups.clear();
        record.cgroups_created.clear();
        record.scope.clear();
    }
    return record;
}

namespace {

Json ToJson(const Asset& asset) {
    return {{"path", asset.path}, {"chosen", asset.chosen}};
}

Result<Asset> AssetMember(const Json& json, std::string_view name) {
    Asset asset;
    CC_ASSIGN(const Json* member, ObjectMember(json, name));
    if (member == nullptr) return asset;
    CC_ASSIGN(asset.path, StringMember(*member, "path"));
    CC_ASSIGN(asset.chosen, BoolMember(*member, "chosen"));
    return asset;
}

// Older records have none.
Result<VmAssets> AssetsMember(const Json& json) {
    VmAssets assets;
    CC_ASSIGN(const Json* member, ObjectMember(json, "assets"));
    if (member == nullptr) return assets;
    CC_ASSIGN(assets.hypervisor, AssetMember(*member, "hypervisor"));
    CC_ASSIGN(assets.kernel, AssetMember(*member, "kernel"));
    CC_ASSIGN(assets.image, AssetMember(*member, "image"));
    return assets;
}

Json ToJson(const CardRecord& record) {
    Json json = cc::ToJson(record.card);
    json["driver"] = record.driver;
    json["below"] = record.below;
    json["held"] = cc::ToJson(record.held);
    return json;
}

Json ToJson(const NetworkRecord& record) {
    Json cards = Json::array();
    for (const auto& card : record.cards)
        cards.push_back(ToJson(card));
    return {{"path", record.path},
            {"inode", record.inode},
            {"links", record.links},
            {"follows", record.follows},
            {"told", cc::ToJson(record.told)},
            {"policy", ToJson(record.policy)},
            {"cards", std::move(cards)}};
}

}  // namespace

std::string Encode(const SandboxRecord& record) {
    return DumpJson({{"id", record.id},
                     {"bootId", BootId()},
                     {"vmName", record.vm_name},
                     {"vmDirectory", record.vm_directory},
                     {"proxySocket", record.proxy_socket},
                     {"proxyExecutable", record.proxy_executable},
                     {"proxyLogLevel", record.proxy_log_level},
                     {"proxyKsm", record.proxy_ksm},
                     {"keeper", ToJson(record.keeper)},
                     {"vmm", ToJson(record.vmm)},
                     {"assets",
                      {{"hypervisor", ToJson(record.assets.hypervisor)},
                       {"kernel", ToJson(record.assets.kernel)},
                       {"image", ToJson(record.assets.image)}}},
                     {"pod", record.pod},
                     {"network", ToJson(record.network)},
                     {"cgroups", record.cgroups},
                     {"cgroupsBelow", record.cgroups_below},
                     {"cgroupsCreated", record.cgroups_created},
                     {"scope", record.scope}});
}

namespace {

Result<CardRecord> ParseCardRecord(const Json& json) {
    CardRecord record;
    CC_ASSIGN(record.card, ParseCard(json));
    CC_ASSIGN(record.driver, StringMember(json, "driver"));
    CC_ASSIGN(record.below, IntMember(json, "below", 0, 0, INT32_MAX));
    CC_ASSIGN(const Json* held, ObjectMember(json, "held"));
    if (held != nullptr) {
        CC_ASSIGN(record.held, ParseNetwork(*held));
    }
    return record;
}

// Older records have none.
Result<NetworkRecord> NetworkMember(const Json& json) {
    NetworkRecord record;
    CC_ASSIGN(const Json* network, ObjectMember(json, "network"));
    if (network == nullptr) return record;
    CC_ASSIGN(record.path, StringMember(*network, "path"));
    CC_ASSIGN(const int64_t inode, IntMember(*network, "inode", 0, 0, INT64_MAX));
    record.inode = static_cast<uint64_t>(inode);
    CC_ASSIGN(record.links, StringsMember(*network, "links"));
    // A version that knew one link only.
    CC_ASSIGN(const std::string link, StringMember(*network, "link"));
    if (!link.empty()) record.links.push_back(link);
    CC_ASSIGN(record.follows, BoolMember(*network, "follows"));
    CC_ASSIGN(const Json* told, ObjectMember(*network, "told"));
    if (told != nullptr) {
        CC_ASSIGN(record.told, ParseNetwork(*told));
    }
    CC_ASSIGN(const Json* policy, ObjectMember(*network, "policy"));
    if (policy != nullptr) {
        CC_ASSIGN(record.policy, Context("policy", ParseLinkPolicy(*policy)));
    }
    CC_ASSIGN(const Json* cards, ArrayMember(*network, "cards"));
    if (cards == nullptr) return record;
    for (const Json& entry : *cards) {
        CC_ASSIGN(CardRecord card, Context("cards", ParseCardRecord(entry)));
        record.cards.push_back(std::move(card));
    }
    return record;
}

}  // namespace

Result<SandboxRecord> ParseSandboxRecord(std::string_view text) {
    CC_ASSIGN(const Json json, ParseJson(text, {.bytes = 1 << 20, .depth = 12}));
    SandboxRecord record;
    CC_ASSIGN(record.id, StringMember(json, "id"));
    CC_ASSIGN(record.vm_name, StringMember(json, "vmName"));
    CC_ASSIGN(record.vm_directory, StringMember(json, "vmDirectory"));
    CC_ASSIGN(record.proxy_socket, StringMember(json, "proxySocket"));
    CC_ASSIGN(record.proxy_executable, StringMember(json, "proxyExecutable"));
    CC_ASSIGN(record.proxy_log_level, StringMember(json, "proxyLogLevel"));
    CC_ASSIGN(record.proxy_ksm, StringMember(json, "proxyKsm"));
    CC_ASSIGN(record.keeper, ProcessMember(json, "keeper"));
    CC_ASSIGN(record.vmm, ProcessMember(json, "vmm"));
    CC_ASSIGN(record.assets, AssetsMember(json));
    CC_ASSIGN(record.pod, BoolMember(json, "pod"));
    CC_ASSIGN(record.network, NetworkMember(json));
    CC_ASSIGN(record.cgroups, StringsMember(json, "cgroups"));
    CC_ASSIGN(record.cgroups_below, StringsMember(json, "cgroupsBelow"));
    CC_ASSIGN(record.cgroups_created, StringsMember(json, "cgroupsCreated"));
    CC_ASSIGN(record.scope, StringMember(json, "scope"));
    CC_ASSIGN(const bool past, OfAnotherBoot(json));
    if (past) {
        record.keeper = record.vmm = {};
        record.network = {};
        record.cgroups.clear();
        record.cgroups_below.clear();
        record.cgroups_created.clear();
        record.scope.clear();
    }
    return record;
}

}  // namespace cc::runtime

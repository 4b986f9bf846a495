// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/pod.h"

#include "base/text.h"
#include "runtime/sandbox/cgroup_values.h"

namespace cc::runtime {

namespace {

constexpr const char* kTypeKeys[] = {"io.kubernetes.cri.container-type",
                                     "io.kubernetes.cri-o.ContainerType",
                                     "io.kubernetes.docker.type"};
constexpr const char* kSandboxKeys[] = {
    "io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id"};
// Of containerd: bytes, microseconds.
constexpr const char* kMemoryKey = "io.kubernetes.cri.sandbox-memory";
constexpr const char* kCpuQuotaKey = "io.kubernetes.cri.sandbox-cpu-quota";
constexpr const char* kCpuPeriodKey = "io.kubernetes.cri.sandbox-cpu-period";

const std::string* Find(const OciSpec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? nullptr : &found->second;
}

int64_t NumberAt(const OciSpec& spec, const char* key) {
    const std::string* number = Find(spec, key);
    return number == nullptr ? 0 : ParseNumber<int64_t>(*number).value_or(0);
}

Result<PodRole> Member(const OciSpec& spec, const std::string& id, const char* type_key) {
    for (const char* key : kSandboxKeys) {
        const std::string* sandbox = Find(spec, key);
        if (sandbox == nullptr) continue;
        if (*sandbox == id) return PodRole{PodRole::Kind::kSandbox, {}};
        CC_TRY(Context(Cat("annotation ", key), CheckId(*sandbox)));
        return PodRole{PodRole::Kind::kMember, *sandbox};
    }
    return Fail(Cat("annotation ", type_key, " says \"container\", but no annotation (",
                    kSandboxKeys[0], " or its like) names the sandbox"));
}

// The pid in "/proc/PID/ns/TYPE"; 0 for any other path.
pid_t ProcessOfPath(const std::string& path) {
    const auto parts = Split(path, '/');
    if (parts.size() != 5 || !parts[0].empty() || parts[1] != "proc" || parts[3] != "ns") return 0;
    return ParseNumber<pid_t>(parts[2]).value_or(0);
}

}  // namespace

Result<PodRole> PodRoleOf(const OciSpec& spec, const std::string& id) {
    for (const char* key : kTypeKeys) {
        const std::string* type = Find(spec, key);
        if (type == nullptr) continue;
        if (*type == "sandbox" || *type == "podsandbox")
            return PodRole{PodRole::Kind::kSandbox, {}};
        if (*type == "container") return Member(spec, id, key);
        return Fail(Cat("annotation ", key, ": unknown container type ", Quoted(*type)));
    }
    return PodRole();
}

Limits PodLimits(const OciSpec& spec) {
    return {NumberAt(spec, kMemoryKey),
            Millicpus(NumberAt(spec, kCpuQuotaKey), NumberAt(spec, kCpuPeriodKey))};
}

Result<SandboxRecord> LoadJoinable(const Store& store, const std::string& sandbox_id) {
    CC_ASSIGN(SandboxRecord sandbox, store.LoadSandbox(sandbox_id));
    const std::string name = Cat("sandbox ", Quoted(sandbox_id, 64));
    if (!IsAlive(sandbox.keeper) || !IsAlive(sandbox.vmm))
        return Fail(Cat(name, ": its virtual machine has ended"));
    const auto own = store.LoadContainer(sandbox_id);
    if (!own) return Fail(Cat(name, ": its own container is not known: ", own.error().message));
    if (CurrentStatus(*own, store) == Status::kStopped)
        return Fail(Cat(name, " has stopped: its own container has ended"));
    return sandbox;
}

Result<NamespaceOwners> OwnersOfNamespaces(const OciSpec& spec, const Store& store,
                                           const std::string& sandbox_id) {
    NamespaceOwners owners;
    CC_ASSIGN(const auto members, store.ContainersIn(sandbox_id, ""));
    for (const char* type : {"pid", "ipc", "uts"}) {
        const OciNamespace* space = spec.Namespace(type);
        if (space == nullptr || space->path.empty()) continue;
        std::string& owner = owners[type];
        owner = sandbox_id;
        const pid_t pid = ProcessOfPath(space->path);
        for (const auto& member : members)
            if (pid > 0 && member.shim.pid == pid) owner = member.id;
    }
    return owners;
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/pod.h"

#include "base/json_full.h"
#include "base/text.h"
#include "runtime/sandbox/cgroup_values.h"

namespace cc::runtime {

namespace {

constexpr const char* kTypeKeys[] = {"io.kubernetes.cri.container-type",
                                     "io.kubernetes.cri-o.ContainerType",
                                     "io.kubernetes.docker.type"};
constexpr const char* kSandboxKeys[] = {
    "io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id"};
constexpr const char* kManagerKey = "io.container.manager";
// Of containerd: bytes, microseconds.
constexpr const char* kMemoryKey = "io.kubernetes.cri.sandbox-memory";
constexpr const char* kCpuQuotaKey = "io.kubernetes.cri.sandbox-cpu-quota";
constexpr const char* kCpuPeriodKey = "io.kubernetes.cri.sandbox-cpu-period";
// Of CRI-O, under its newer and its older name: the CRI's LinuxContainerResources as JSON.
constexpr const char* kResourcesKeys[] = {"pod-linux-resources.crio.io",
                                          "io.kubernetes.cri-o.PodLinuxResources"};

using Annotations = std::map<std::string, std::string>;

const std::string* Find(const Annotations& annotations, const char* key) {
    const auto found = annotations.find(key);
    return found == annotations.end() ? nullptr : &found->second;
}

int64_t NumberAt(const Annotations& annotations, const char* key) {
    const std::string* number = Find(annotations, key);
    return number == nullptr ? 0 : ParseNumber<int64_t>(*number).value_or(0);
}

int64_t NumberIn(const Json& resources, const char* key) {
    return IntMember(resources, key, 0, INT64_MIN, INT64_MAX).value_or(0);
}

Result<PodRole> Member(const OciSpec& spec, const std::string& id, const char* type_key) {
    for (const char* key : kSandboxKeys) {
        const std::string* sandbox = Find(spec.annotations, key);
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
        const std::string* type = Find(spec.annotations, key);
        if (type == nullptr) continue;
        if (*type == "sandbox" || *type == "podsandbox")
            return PodRole{PodRole::Kind::kSandbox, {}};
        if (*type == "container") return Member(spec, id, key);
        return Fail(Cat("annotation ", key, ": unknown container type ", Quoted(*type)));
    }
    return PodRole();
}

bool IsOfPodWithoutSandbox(const OciSpec& spec, const PodRole& role, const Store& store) {
    const std::string* manager = Find(spec.annotations, kManagerKey);
    if (!role.joins() || manager == nullptr || *manager != "libpod") return false;
    for (const char* type : {"pid", "ipc", "uts"})
        if (const OciNamespace* space = spec.Namespace(type);
            space != nullptr && !space->path.empty())
            return false;
    const auto sandbox = store.LoadSandbox(role.sandbox_id);
    return !sandbox && sandbox.error().code == ENOENT;
}

Limits PodLimits(const Annotations& annotations) {
    for (const char* key : kResourcesKeys) {
        const std::string* text = Find(annotations, key);
        if (text == nullptr) continue;
        const auto resources = ParseJson(*text);
        if (!resources || !resources->is_object()) continue;
        return {NumberIn(*resources, "memory_limit_in_bytes"),
                Millicpus(NumberIn(*resources, "cpu_quota"), NumberIn(*resources, "cpu_period"))};
    }
    return {NumberAt(annotations, kMemoryKey),
            Millicpus(NumberAt(annotations, kCpuQuotaKey), NumberAt(annotations, kCpuPeriodKey))};
}

Result<Limits> LimitsInSandbox(const Store& store, const std::string& sandbox_id,
                               const std::string& id, const Json& resources) {
    std::vector<Limits> all = {LimitsOf(resources)};
    Limits told;
    CC_ASSIGN(const auto containers, store.ContainersIn(sandbox_id, ""));
    for (const auto& container : containers) {
        const bool own = container.id == sandbox_id;
        if (own) told = PodLimits(container.annotations);
        if (container.id == id || CurrentStatus(container, store) == Status::kStopped) continue;
        // Of one whose configuration cannot be read nothing is known, and it hinders nobody.
        const auto text = store.LoadConfig(container.id);
        const auto spec = text ? ParseSpec(*text) : Failure(text.error());
        if (!spec) continue;
        const Limits limits = LimitsOf(spec->Resources());
        // The sandbox's own without a limit is one that only holds the pod together.
        if (!own || limits.memory > 0) all.push_back(limits);
    }
    return Together(all, told);
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

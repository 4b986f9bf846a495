// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/limits.h"

#include <algorithm>
#include <iterator>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/sandbox/scope.h"

namespace cc::runtime {

namespace {

// Measured: cc-shim's cgroup held at most 1.9 MB while it relayed 30 MB in and 10 MB out.
constexpr int64_t kLeastShimMemory = 4 << 20;
// Version 1 writes "no limit" as the highest number of whole pages.
constexpr int64_t kNoLimit = int64_t{1} << 60;
constexpr size_t kMaxNumber = 64;

// The file of a value in a leaf, and what to write into it; nothing when it has none.
struct Target {
    std::string path;
    std::string text;
};
std::optional<Target> TargetOf(const std::string& leaf, const CgroupValue& value) {
    // The two versions share some names ("pids.max"), never with different meanings.
    for (const auto& [file, text] :
         {std::pair(value.v1_file, value.v1_text), std::pair(value.v2_file, value.v2_text)})
        if (!file.empty() && Exists(Cat(leaf, "/", file)))
            return Target{Cat(leaf, "/", file), text};
    return std::nullopt;
}

Result<bool> WriteOne(const std::vector<std::string>& leaves, const CgroupValue& value,
                      CgroupWrites& writes) {
    for (const auto& leaf : leaves) {
        const auto target = TargetOf(leaf, value);
        if (!target) continue;
        CC_TRY(Context(Cat("limiting ", value.what, " to ", target->text),
                       writes.Write(target->path, target->text)));
        return true;
    }
    return false;
}

bool IsMemoryLimit(const CgroupValue& value) {
    return value.v1_file == "memory.limit_in_bytes";
}

CgroupValue MemoryLimit(int64_t bytes) {
    const std::string text = Cat(bytes);
    return {"memory.limit", "memory.limit_in_bytes", text, "memory.max", text};
}

std::vector<CgroupValue> ShimValues(const std::vector<CgroupValue>& values) {
    std::vector<CgroupValue> raised = values;
    for (auto& value : raised) {
        const auto bytes = ParseNumber<int64_t>(value.v1_text);
        if (!IsMemoryLimit(value) || !bytes || *bytes < 0 || *bytes >= kLeastShimMemory) continue;
        Log(LogLevel::kWarn,
            "the memory limit is below what cc-shim needs and is raised on the host",
            {{"limit", value.v1_text}, {"raised", std::to_string(kLeastShimMemory)}});
        value = MemoryLimit(kLeastShimMemory);
    }
    return raised;
}

std::vector<CgroupValue> VmValues(const std::vector<CgroupValue>& values) {
    std::vector<CgroupValue> own;
    std::copy_if(values.begin(), values.end(), std::back_inserter(own), ConcernsVm);
    return own;
}

// Whether the container's cgroup holds the value, and the VM is in that one.
bool IsAbove(const SandboxRecord& sandbox, const CgroupValue& value) {
    const auto& below = sandbox.cgroups_below;
    return std::any_of(below.begin(), below.end(), [&](const std::string& leaf) {
        return TargetOf(leaf.substr(0, leaf.rfind('/')), value).has_value();
    });
}

// Whether the VM has the value from the container's cgroup. Of memory it may have a limit of its
// own, and throttled block devices of version 1 are each cgroup's own, wherever it lies.
bool Inherits(const SandboxRecord& sandbox, const CgroupValue& value) {
    const bool own = value.what.starts_with("blockIO.") || value.what.starts_with("memory.");
    const auto& below = sandbox.cgroups_below;
    const bool held = own && std::any_of(below.begin(), below.end(), [&](const auto& leaf) {
                          return TargetOf(leaf, value).has_value();
                      });
    return !held && IsAbove(sandbox, value);
}

// What of new limits a container's cgroup can take. It was made without any on memory and on the
// number of processes if the VM is in it, and what the VM has taken by now would break them.
std::vector<CgroupValue> NewLimits(const SandboxRecord* sandbox,
                                   const std::vector<CgroupValue>& values) {
    auto taken = values;
    if (sandbox == nullptr) return taken;
    std::erase_if(taken, [&](const CgroupValue& value) {
        const bool strangles =
            value.what.starts_with("memory.") || value.what.starts_with("pids.") ||
            value.v2_file.starts_with("memory.") || value.v2_file.starts_with("pids.");
        return strangles && IsAbove(*sandbox, value);
    });
    return taken;
}

// What a file of version 2 has when nobody has said anything.
std::string DefaultOf(const std::string& v2_file) {
    if (v2_file == "cpu.weight") return "100";
    if (v2_file == "io.weight") return "default 100";
    if (v2_file == "cpu.max") return "max 100000";
    if (v2_file == "memory.low") return "0";
    return v2_file.starts_with("cpuset.") ? "" : "max";
}

}  // namespace

bool ConcernsVm(const CgroupValue& value) {
    return value.what.starts_with("cpu.") || value.what.starts_with("blockIO.");
}

Result<void> WriteValues(const std::vector<std::string>& leaves,
                         const std::vector<CgroupValue>& values, CgroupWrites& writes) {
    if (leaves.empty()) return {};
    // Some values bound one another (memory and memory with swap, quota and period), so that which
    // must be written first depends on what is there: one that is refused is tried again at the
    // end.
    std::vector<const CgroupValue*> again;
    for (const auto& value : values) {
        const auto written = WriteOne(leaves, value, writes);
        if (!written && written.error().code == EINVAL)
            again.push_back(&value);
        else if (!written)
            return Failure(written.error());
        else if (!*written && !value.what.starts_with("unified."))
            Log(LogLevel::kWarn, "no cgroup of this host can hold a limit",
                {{"limit", value.what}});
    }
    for (const auto* value : again)
        CC_TRY(WriteOne(leaves, *value, writes));
    return {};
}

Result<void> LimitShim(const ContainerRecord& container, const std::vector<CgroupValue>& values,
                       CgroupWrites& writes) {
    const auto raised = ShimValues(values);
    CC_TRY(LimitScope(container.scope, raised));
    return WriteValues(container.cgroups, raised, writes);
}

Result<void> LimitVm(const SandboxRecord& sandbox, const std::vector<CgroupValue>& values,
                     int64_t memory, CgroupWrites& writes) {
    auto own = VmValues(values);
    if (memory > 0) own.push_back(MemoryLimit(memory));
    std::erase_if(own, [&](const auto& value) { return Inherits(sandbox, value); });
    CC_TRY(Context("the virtual machine", LimitScope(sandbox.scope, own)));
    return Context("the virtual machine", WriteValues(sandbox.cgroups, own, writes));
}

int64_t VmMemoryLimit(const SandboxRecord& sandbox) {
    for (const auto& leaf : sandbox.cgroups)
        if (const auto target = TargetOf(leaf, MemoryLimit(0))) {
            const auto text = ReadFile(target->path, kMaxNumber).value_or("");
            const int64_t bytes = ParseNumber<int64_t>(Trim(text)).value_or(0);  // not of "max"
            return bytes < kNoLimit ? bytes : 0;
        }
    return 0;
}

std::string MemoryLeaf(const std::vector<std::string>& leaves) {
    const CgroupValue limit = MemoryLimit(0);
    for (const auto& leaf : leaves)
        if (TargetOf(leaf, limit)) return leaf;
    return {};
}

Result<void> ApplyResources(const ContainerRecord& container, const SandboxRecord* sandbox,
                            const Json& resources, CgroupWrites& writes) {
    CC_ASSIGN(const auto values, CgroupValuesOf(resources));
    CC_TRY(LimitShim(container, NewLimits(sandbox, values), writes));
    return sandbox == nullptr ? Result<void>() : LimitVm(*sandbox, values, 0, writes);
}

std::vector<CgroupValue> ValuesBefore(const Json& before, const Json& tried) {
    auto values = CgroupValuesOf(before).value_or(std::vector<CgroupValue>());
    for (auto& value : CgroupValuesOf(tried).value_or(std::vector<CgroupValue>())) {
        const bool known = std::any_of(values.begin(), values.end(), [&](const auto& other) {
            return other.v2_file == value.v2_file;
        });
        if (known || value.v2_file.empty()) continue;
        value.v1_text.clear();
        value.v2_text = DefaultOf(value.v2_file);
        values.push_back(std::move(value));
    }
    return values;
}

void TakeBackResources(const ContainerRecord& container, const SandboxRecord* sandbox,
                       const Json& before, const Json& tried, CgroupWrites& writes) {
    const auto values = ValuesBefore(before, tried);
    auto scopes = LimitScope(container.scope, ShimValues(NewLimits(sandbox, values)));
    if (scopes && sandbox != nullptr) scopes = LimitScope(sandbox->scope, VmValues(values));
    if (!scopes)
        Log(LogLevel::kWarn, "systemd keeps limits that were refused elsewhere",
            {{"why", scopes.error().message}});
    writes.TakeBack();
}

}  // namespace cc::runtime

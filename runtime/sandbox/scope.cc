// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/scope.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "host/systemd.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kSliceSuffix = ".slice";
constexpr uint64_t kInfinity = UINT64_MAX;

// "a-b.slice" lies in "a.slice": "a.slice/a-b.slice/". The root slice, "-.slice", is where all are.
Result<std::string> DirectoryOf(const std::string& slice) {
    const auto wrong = [&](std::string_view why) {
        return Fail(Cat("linux.cgroupsPath: the slice ", Quoted(slice, 80), " ", why));
    };
    if (!slice.ends_with(kSliceSuffix) || slice.find('/') != std::string::npos)
        return wrong("is not a name like \"machine.slice\"");
    if (slice == "-.slice") return std::string();
    std::string directory;
    std::string so_far;
    for (const auto& part : Split(slice.substr(0, slice.size() - kSliceSuffix.size()), '-')) {
        if (part.empty()) return wrong("has a dash too many");
        so_far += (so_far.empty() ? "" : "-") + part;
        directory += Cat(so_far, kSliceSuffix, "/");
    }
    return directory;
}

Result<ScopePlan> InSlice(const std::string& slice, const std::string& unit) {
    CC_ASSIGN(const std::string directory, DirectoryOf(slice));
    return ScopePlan{unit, slice, directory + unit};
}

// Numbers of a cgroup's file; "max" is none.
uint64_t NumberOf(std::string_view text) {
    return ParseNumber<uint64_t>(text).value_or(kInfinity);
}

// "50000 100000", or "max 100000": microseconds of each period.
void AddCpuTime(const std::string& text, std::vector<DbusProperty>& properties) {
    constexpr uint64_t kSecond = 1000000, kStep = 10000;
    const auto words = Split(text, ' ');
    const uint64_t quota = NumberOf(words.front()), period = NumberOf(words.back());
    if (words.size() != 2 || period == 0 || period == kInfinity) return;
    // systemd counts in hundredths of a processor; less than was asked for would be wrong.
    const uint64_t per_second = quota > kInfinity / kSecond
                                    ? kInfinity
                                    : (quota * kSecond / period + kStep - 1) / kStep * kStep;
    properties.push_back({"CPUQuotaPeriodUSec", period});
    properties.push_back({"CPUQuotaPerSecUSec", per_second});
}

// "0-1,4" as a bit for each, the first in the lowest of the first byte.
std::vector<uint8_t> MaskOf(const std::string& list) {
    constexpr size_t kMost = 8192;
    std::vector<uint8_t> mask;
    for (const auto& range : Split(list, ',')) {
        const auto ends = Split(range, '-');
        const auto first = ParseNumber<size_t>(Trim(ends.front()));
        const auto last = ParseNumber<size_t>(Trim(ends.back()));
        if (!first || !last || *last >= kMost) return {};
        for (size_t bit = *first; bit <= *last; ++bit) {
            mask.resize(std::max(mask.size(), bit / 8 + 1));
            mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 1U << bit % 8);
        }
    }
    return mask;
}

struct Name {
    std::string_view file;  // of cgroup version 2; systemd's names follow it, on version 1 as well
    const char* property;
};
constexpr Name kNames[] = {{"memory.max", "MemoryMax"}, {"memory.swap.max", "MemorySwapMax"},
                           {"memory.low", "MemoryLow"}, {"memory.high", "MemoryHigh"},
                           {"cpu.weight", "CPUWeight"}, {"pids.max", "TasksMax"},
                           {"io.weight", "IOWeight"}};

// As systemd knows it: a child that is the first of a pid namespace is 1 to itself.
Result<pid_t> OwnPid() {
    CC_ASSIGN(const std::string link, ReadLink("/proc/self"));
    const auto pid = ParseNumber<pid_t>(link);
    if (!pid) return Fail(Cat("/proc/self is ", Quoted(link)));
    return *pid;
}

}  // namespace

Result<ScopePlan> PlanScope(const std::string& cgroups_path, const std::string& container_id) {
    if (cgroups_path.empty())
        return InSlice("system.slice", Cat("cc-runtime-", container_id, ".scope"));
    const auto parts = Split(cgroups_path, ':');
    const bool good = parts.size() == 3 && !parts[2].empty() &&
                      cgroups_path.find_first_of("/\n") == std::string::npos;
    if (!good)
        return Fail(Cat("linux.cgroupsPath ", Quoted(cgroups_path),
                        " is not of the form slice:prefix:name that --systemd-cgroup needs"));
    if (parts[2].ends_with(kSliceSuffix))
        return Fail(Cat("linux.cgroupsPath ", Quoted(cgroups_path),
                        " names a slice; a container gets a scope in one"));
    return InSlice(parts[0].empty() ? "system.slice" : parts[0],
                   Cat(parts[1], parts[1].empty() ? "" : "-", parts[2], ".scope"));
}

ScopePlan ScopeBeside(const ScopePlan& plan, const std::string& name) {
    if (plan.unit.empty()) return {};
    const std::string unit = name + ".scope";
    return {unit, plan.slice, plan.path.substr(0, plan.path.size() - plan.unit.size()) + unit};
}

Result<void> CheckSystemd() {
    const auto systemd = Systemd::Connect();
    if (systemd) return {};
    return Fail(Cat("--systemd-cgroup: ", systemd.error().message,
                    ". Without systemd set the engine's cgroup driver to cgroupfs (Docker: "
                    "--exec-opt native.cgroupdriver=cgroupfs, Podman: --cgroup-manager=cgroupfs)"));
}

Result<void> EnterScope(const ScopePlan& scope, const CgroupPlan& cgroup, pid_t pid) {
    CC_ASSIGN(Systemd systemd, Systemd::Connect());
    pid_t entering = pid;
    if (pid == 0) {
        CC_ASSIGN(entering, OwnPid());
    }
    CC_TRY(systemd.StartScope(
        {scope.unit, scope.slice, Cat("clear-containers ", scope.unit), entering}));
    CC_TRY(MakeCgroup(cgroup));
    return JoinCgroups(cgroup.Leaves(), pid);
}

// The directories of a scope are systemd's to remove, those above them are slices.
std::vector<std::string> MissingBesideScope(const CgroupPlan& plan) {
    CgroupPlan beside = plan;
    std::erase_if(beside.hierarchies,
                  [](const CgroupHierarchy& hierarchy) { return hierarchy.systemd; });
    return MissingDirectories(beside);
}

std::vector<DbusProperty> ScopePropertiesOf(const std::vector<CgroupValue>& values) {
    std::vector<DbusProperty> properties;
    for (const auto& value : values) {
        if (value.v2_file == "cpu.max" && value.what != "cpu.period")
            AddCpuTime(value.v2_text, properties);
        if (value.v2_file == "cpuset.cpus")
            properties.push_back({"AllowedCPUs", MaskOf(value.v2_text)});
        if (value.v2_file == "cpuset.mems")
            properties.push_back({"AllowedMemoryNodes", MaskOf(value.v2_text)});
        for (const auto& [file, property] : kNames)
            if (value.v2_file == file)
                properties.push_back({property, NumberOf(Split(value.v2_text, ' ').back())});
    }
    return properties;
}

Result<void> LimitScope(const std::string& unit, const std::vector<CgroupValue>& values) {
    if (unit.empty() || values.empty()) return {};
    CC_ASSIGN(Systemd systemd, Systemd::Connect());
    return systemd.SetProperties(unit, ScopePropertiesOf(values));
}

Result<void> EndScope(const std::string& unit) {
    if (unit.empty()) return {};
    CC_ASSIGN(Systemd systemd, Systemd::Connect());
    return systemd.RemoveScope(unit);
}

}  // namespace cc::runtime

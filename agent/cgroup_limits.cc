// SPDX-License-Identifier: Apache-2.0
#include "agent/cgroup_limits.h"

#include <algorithm>

#include "base/cpu_weight.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {

using Settings = std::vector<CgroupSetting>;

// Zero means "not said" in OCI configurations; a limit of zero would make sense to nobody.
bool Said(const std::optional<int64_t>& value) {
    return value.value_or(0) != 0;
}

std::string LimitText(int64_t value) {
    return value < 0 ? "max" : std::to_string(value);
}

// The configuration counts memory and swap together, the unified hierarchy each for itself.
Result<void> AddSwap(const ResourceSpec& resources, Settings& settings) {
    const int64_t limit = resources.memory_limit.value_or(0);
    int64_t swap = resources.memory_swap.value_or(0);
    if (swap == 0 && limit < 0) swap = -1;  // without a limit on memory there is none on swap
    if (swap == 0) return {};
    if (swap > 0) {
        if (limit <= 0) return Fail("memory.swap needs a memory.limit beside it");
        if (swap < limit)
            return Fail(Cat("memory.swap (", swap, ", memory and swap together) is less than ",
                            "memory.limit (", limit, ")"));
        swap -= limit;
    }
    settings.push_back({"memory.swap.max", LimitText(swap), true});
    return {};
}

void AddCpu(const ResourceSpec& resources, Settings& settings) {
    if (resources.cpu_idle) settings.push_back({"cpu.idle", std::to_string(*resources.cpu_idle)});
    // An idle cgroup has no weight to set.
    if (Said(resources.cpu_shares) && resources.cpu_idle.value_or(0) == 0)
        settings.push_back({"cpu.weight", std::to_string(WeightOfShares(*resources.cpu_shares))});
    // A burst above the quota is refused, so the larger quota comes before it.
    if (Said(resources.cpu_quota) || Said(resources.cpu_period)) {
        constexpr int64_t kDefaultPeriod = 100000;
        const int64_t period = Said(resources.cpu_period) ? *resources.cpu_period : kDefaultPeriod;
        const int64_t quota = Said(resources.cpu_quota) ? *resources.cpu_quota : -1;
        settings.push_back({"cpu.max", Cat(LimitText(quota), " ", period)});
    }
    if (resources.cpu_burst)
        settings.push_back({"cpu.max.burst", std::to_string(*resources.cpu_burst)});
}

// memory.checkBeforeUpdate: with a limit below what it uses, the container would lose processes.
Result<void> CheckMemory(const std::string& path, const ResourceSpec& resources) {
    if (!resources.check_memory) return {};
    const auto number = [&](const char* file) {
        return ParseNumber<int64_t>(Trim(ReadFile(Cat(path, "/", file), 64).value_or("")));
    };
    const auto used = number("memory.current");
    // Other limits may change while the container uses all that it may.
    if (!used || number("memory.max") == resources.memory_limit) return {};
    const auto check = [&](std::string_view what, int64_t limit) -> Result<void> {
        if (limit <= 0 || limit > *used) return {};
        return Fail(Cat("rejecting ", what, " limit ", limit, " <= usage ", *used,
                        ", as memory.checkBeforeUpdate says"));
    };
    CC_TRY(check("memory+swap", resources.memory_swap.value_or(0)));
    return check("memory", resources.memory_limit.value_or(0));
}

// Any file of the cgroup itself, and nothing else.
Result<void> CheckUnified(const std::string& file) {
    const bool good = file.find_first_of(std::string_view("/\0", 2)) == std::string::npos &&
                      file.find('.') != std::string::npos && file.front() != '.' &&
                      !file.starts_with("cgroup.");
    if (!good) return Fail(Cat("unified: ", Quoted(file, 64), " is not a limit of a cgroup"));
    return {};
}

}  // namespace

Result<Settings> CgroupSettings(const ResourceSpec& resources) {
    Settings settings;
    if (Said(resources.memory_limit))
        settings.push_back({"memory.max", LimitText(*resources.memory_limit)});
    CC_TRY(AddSwap(resources, settings));
    if (Said(resources.memory_reservation))
        settings.push_back({"memory.low", LimitText(*resources.memory_reservation)});
    if (Said(resources.pids_limit))
        settings.push_back({"pids.max", LimitText(*resources.pids_limit)});
    AddCpu(resources, settings);
    if (Said(resources.io_weight)) {
        const int64_t weight = std::clamp<int64_t>(*resources.io_weight, 10, 1000);
        // The VM's disks and shares are the host's, whose cgroup weighs them where the guest
        // cannot.
        settings.push_back({"io.weight", std::to_string(1 + (weight - 10) * 9999 / 990), true});
    }
    for (const auto& limit : resources.hugepages)
        settings.push_back({Cat("hugetlb.", limit.page_size, ".max"), std::to_string(limit.bytes),
                            limit.bytes == 0});
    for (const auto& [file, value] : resources.unified) {
        CC_TRY(CheckUnified(file));
        settings.push_back({file, value});
    }
    return settings;
}

Result<void> ApplyLimits(const std::string& path, const ResourceSpec& resources,
                         CgroupWrites& writes) {
    CC_ASSIGN(const Settings settings, CgroupSettings(resources));
    CC_TRY(CheckMemory(path, resources));
    for (const auto& [file, value, idle_without_file] : settings) {
        const std::string target = Cat(path, "/", file);
        if (Exists(target)) {
            CC_TRY(Context(Cat("setting ", file, " to ", Quoted(value, 64)),
                           writes.Write(target, value)));
        } else if (!idle_without_file) {
            return Fail(Cat("cannot set ", file, " to ", Quoted(value, 64),
                            ": the guest kernel has no such cgroup file"),
                        ENOENT);
        } else {
            Log(LogLevel::kInfo, "a limit on what the guest does not have", {{"file", file}});
        }
    }
    return {};
}

}  // namespace cc::agent

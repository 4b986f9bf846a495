// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/cgroup_values.h"

#include <algorithm>
#include <set>

#include "base/cpu_list.h"
#include "base/cpu_weight.h"
#include "base/json_full.h"

namespace cc::runtime {

namespace {

// Numbers of the configuration, as far as they are there.
class Numbers {
  public:
    Numbers(const Json& resources, std::string_view section) : section_(section) {
        const Json* json = Member(resources, section);
        if (json != nullptr && json->is_object()) json_ = json;
    }
    // Nothing for an absent one and, with `zero_is_none`, for 0, which Go's encoders may write for
    // it.
    Result<std::optional<int64_t>> Get(std::string_view key, bool zero_is_none = true) const {
        if (json_ == nullptr || Member(*json_, key) == nullptr) return std::nullopt;
        CC_ASSIGN(const int64_t value,
                  Context(section_, IntMember(*json_, key, 0, INT64_MIN, INT64_MAX)));
        if (value == 0 && zero_is_none) return std::nullopt;
        return value;
    }
    Result<std::string> Text(std::string_view key) const {
        if (json_ == nullptr) return std::string();
        return Context(section_, StringMember(*json_, key));
    }
    const Json* json() const { return json_; }

  private:
    std::string section_;
    const Json* json_ = nullptr;
};

constexpr int64_t kDefaultPeriod = 100000;  // microseconds, the kernel's

std::string OrMax(int64_t value) {
    return value < 0 ? "max" : std::to_string(value);
}

using Values = std::vector<CgroupValue>;

Result<void> Memory(const Json& resources, Values& values) {
    const Numbers memory(resources, "memory");
    CC_ASSIGN(const auto limit, memory.Get("limit"));
    CC_ASSIGN(const auto swap, memory.Get("swap"));
    CC_ASSIGN(const auto reservation, memory.Get("reservation"));
    CC_ASSIGN(const auto tcp, memory.Get("kernelTCP"));
    CC_ASSIGN(const auto swappiness, memory.Get("swappiness", false));
    if (limit)
        values.push_back(
            {"memory.limit", "memory.limit_in_bytes", Cat(*limit), "memory.max", OrMax(*limit)});
    // The configuration counts memory and swap together, as v1 does.
    if (swap)
        values.push_back(
            {"memory.swap", "memory.memsw.limit_in_bytes", Cat(*swap), "memory.swap.max",
             *swap < 0
                 ? "max"
                 : Cat(std::max<int64_t>(0, *swap - std::max<int64_t>(0, limit.value_or(0))))});
    if (reservation)
        values.push_back({"memory.reservation", "memory.soft_limit_in_bytes", Cat(*reservation),
                          "memory.low", OrMax(*reservation)});
    if (tcp)
        values.push_back({"memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", Cat(*tcp), "", ""});
    // -1 is how engines say "not given".
    if (swappiness && *swappiness >= 0)
        values.push_back({"memory.swappiness", "memory.swappiness", Cat(*swappiness), "", ""});
    if (memory.json() == nullptr) return {};
    CC_ASSIGN(const bool no_killer,
              Context("memory", BoolMember(*memory.json(), "disableOOMKiller")));
    if (no_killer) values.push_back({"memory.disableOOMKiller", "memory.oom_control", "1", "", ""});
    return {};
}

Result<void> Cpu(const Json& resources, Values& values) {
    const Numbers cpu(resources, "cpu");
    CC_ASSIGN(const auto shares, cpu.Get("shares"));
    CC_ASSIGN(const auto period, cpu.Get("period"));
    CC_ASSIGN(const auto quota, cpu.Get("quota"));
    CC_ASSIGN(const auto burst, cpu.Get("burst", false));
    CC_ASSIGN(const auto rt_period, cpu.Get("realtimePeriod"));
    CC_ASSIGN(const auto rt_runtime, cpu.Get("realtimeRuntime"));
    CC_ASSIGN(const auto idle, cpu.Get("idle", false));
    CC_ASSIGN(const std::string cpus, cpu.Text("cpus"));
    CC_ASSIGN(const std::string mems, cpu.Text("mems"));
    if (idle) values.push_back({"cpu.idle", "cpu.idle", Cat(*idle), "cpu.idle", Cat(*idle)});
    // An idle cgroup has no weight to set, and one that is idle no more has the default's until
    // then.
    if (shares && idle.value_or(0) == 0)
        values.push_back(
            {"cpu.shares", "cpu.shares", Cat(*shares), "cpu.weight", Cat(WeightOfShares(*shares))});
    // One file in v2, so each of the two writes both.
    const std::string both = Cat(OrMax(quota.value_or(-1)), " ", period.value_or(kDefaultPeriod));
    if (period)
        values.push_back({"cpu.period", "cpu.cfs_period_us", Cat(*period), "cpu.max", both});
    if (quota) values.push_back({"cpu.quota", "cpu.cfs_quota_us", Cat(*quota), "cpu.max", both});
    // Above the quota it is refused, so the larger quota comes before it.
    if (burst)
        values.push_back(
            {"cpu.burst", "cpu.cfs_burst_us", Cat(*burst), "cpu.max.burst", Cat(*burst)});
    if (rt_period)
        values.push_back({"cpu.realtimePeriod", "cpu.rt_period_us", Cat(*rt_period), "", ""});
    if (rt_runtime)
        values.push_back({"cpu.realtimeRuntime", "cpu.rt_runtime_us", Cat(*rt_runtime), "", ""});
    if (!cpus.empty()) values.push_back({"cpu.cpus", "cpuset.cpus", cpus, "cpuset.cpus", cpus});
    if (!mems.empty()) values.push_back({"cpu.mems", "cpuset.mems", mems, "cpuset.mems", mems});
    return {};
}

Result<void> Pids(const Json& resources, Values& values) {
    CC_ASSIGN(const auto limit, Numbers(resources, "pids").Get("limit"));
    if (limit)
        values.push_back({"pids.limit", "pids.max", OrMax(*limit), "pids.max", OrMax(*limit)});
    return {};
}

// v1: a file each; v2: io.max with a key each.
struct Throttle {
    const char* member;
    const char* v1_file;
    const char* v2_key;
};
constexpr Throttle kThrottles[] = {
    {"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
    {"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
    {"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
    {"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"},
};

Result<std::string> DeviceOf(const Json& entry) {
    if (!entry.is_object()) return Fail("must be an object");
    CC_ASSIGN(const int64_t major, IntMember(entry, "major", 0, 0, 0xfff));
    CC_ASSIGN(const int64_t minor, IntMember(entry, "minor", 0, 0, 0xfffff));
    return Cat(major, ":", minor);
}

std::string IoWeight(int64_t weight) {
    // 10 to 1000 onto 1 to 10000.
    return Cat(1 + (std::clamp<int64_t>(weight, 10, 1000) - 10) * 9999 / 990);
}

Result<void> BlockIo(const Json& resources, Values& values) {
    const Numbers io(resources, "blockIO");
    if (io.json() == nullptr) return {};
    CC_ASSIGN(const auto weight, io.Get("weight"));
    CC_ASSIGN(const auto leaf_weight, io.Get("leafWeight"));
    if (weight)
        values.push_back({"blockIO.weight", "blkio.weight", Cat(*weight), "io.weight",
                          Cat("default ", IoWeight(*weight))});
    if (leaf_weight)
        values.push_back({"blockIO.leafWeight", "blkio.leaf_weight", Cat(*leaf_weight), "", ""});
    CC_ASSIGN(const Json* weights, Context("blockIO", ArrayMember(*io.json(), "weightDevice")));
    if (weights != nullptr)
        for (const Json& entry : *weights) {
            CC_ASSIGN(const std::string device, Context("blockIO.weightDevice", DeviceOf(entry)));
            CC_ASSIGN(const int64_t value, IntMember(entry, "weight", 0, 0, 1000));
            values.push_back({"blockIO.weightDevice", "blkio.weight_device",
                              Cat(device, " ", value), "io.weight",
                              Cat(device, " ", IoWeight(value))});
        }
    for (const auto& throttle : kThrottles) {
        CC_ASSIGN(const Json* list, Context("blockIO", ArrayMember(*io.json(), throttle.member)));
        if (list == nullptr) continue;
        for (const Json& entry : *list) {
            const std::string what = Cat("blockIO.", std::string_view(throttle.member));
            CC_ASSIGN(const std::string device, Context(what, DeviceOf(entry)));
            CC_ASSIGN(const int64_t rate, Context(what, IntMember(entry, "rate", 0, 0, INT64_MAX)));
            values.push_back({what, throttle.v1_file, Cat(device, " ", rate), "io.max",
                              Cat(device, " ", std::string_view(throttle.v2_key), "=",
                                  rate == 0 ? std::string("max") : Cat(rate))});
        }
    }
    return {};
}

Result<void> HugePages(const Json& resources, Values& values) {
    CC_ASSIGN(const Json* limits, ArrayMember(resources, "hugepageLimits"));
    if (limits == nullptr) return {};
    for (const Json& entry : *limits) {
        if (!entry.is_object()) return Fail("hugepageLimits must be objects");
        CC_ASSIGN(const std::string size, StringMember(entry, "pageSize"));
        CC_ASSIGN(const int64_t limit, IntMember(entry, "limit", 0, 0, INT64_MAX));
        // It becomes part of a file's name.
        if (size.empty() || size.find_first_not_of("0123456789KMGTB") != std::string::npos)
            return Fail(Cat("hugepageLimits: pageSize ", Quoted(size, 32), " is no page size"));
        values.push_back({"hugepageLimits", Cat("hugetlb.", size, ".limit_in_bytes"), Cat(limit),
                          Cat("hugetlb.", size, ".max"), Cat(limit)});
    }
    return {};
}

// v2's own names, as they are.
Result<void> Unified(const Json& resources, Values& values) {
    CC_ASSIGN(const Json* files, ObjectMember(resources, "unified"));
    if (files == nullptr) return {};
    for (const auto& [file, text] : files->items()) {
        if (!text.is_string()) return Fail(Cat("unified: ", Quoted(file), " must be a string"));
        if (file.find('/') != std::string::npos || file.find('.') == std::string::npos)
            return Fail(Cat("unified: ", Quoted(file), " is no file of a cgroup"));
        values.push_back({Cat("unified.", file), "", "", file, text.get<std::string>()});
    }
    return {};
}

int64_t ProcessorsIn(const std::string& list) {
    if (list.empty()) return 0;
    const auto cpus = ParseCpuList(list);
    return cpus ? int64_t(std::set(cpus->begin(), cpus->end()).size()) : 0;
}

}  // namespace

Result<std::vector<CgroupValue>> CgroupValuesOf(const Json& resources) {
    Values values;
    CC_TRY(Memory(resources, values));
    CC_TRY(Cpu(resources, values));
    CC_TRY(Pids(resources, values));
    CC_TRY(BlockIo(resources, values));
    CC_TRY(HugePages(resources, values));
    CC_TRY(Unified(resources, values));
    return values;
}

int64_t MemoryLimitOf(const Json& resources) {
    const auto limit = Numbers(resources, "memory").Get("limit");
    return limit && *limit ? std::max<int64_t>(0, **limit) : 0;
}

int64_t Millicpus(int64_t quota, int64_t period) {
    if (quota <= 0) return 0;
    if (period <= 0) period = kDefaultPeriod;
    // The kernel takes no quota that this could not hold.
    return quota > INT64_MAX / 1000 ? INT64_MAX : (quota * 1000 - 1) / period + 1;
}

int64_t MillicpusOf(const Json& resources) {
    const Numbers cpu(resources, "cpu");
    const auto quota = cpu.Get("quota");
    const auto period = cpu.Get("period");
    const auto cpus = cpu.Text("cpus");
    // What is not well formed is the cgroup's to refuse.
    const int64_t by_quota =
        quota && period ? Millicpus(quota->value_or(0), period->value_or(0)) : 0;
    const int64_t by_set = cpus ? 1000 * ProcessorsIn(*cpus) : 0;
    return by_quota == 0 || by_set == 0 ? std::max(by_quota, by_set) : std::min(by_quota, by_set);
}

std::vector<std::string> ControllersOf(const std::vector<CgroupValue>& values) {
    std::set<std::string> controllers;
    for (const auto& value : values)
        if (!value.v2_file.empty())
            controllers.insert(value.v2_file.substr(0, value.v2_file.find('.')));
    return {controllers.begin(), controllers.end()};
}

}  // namespace cc::runtime

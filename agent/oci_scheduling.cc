// SPDX-License-Identifier: Apache-2.0
// How the kernel shall schedule a process: the parts of an OCI process object that say so.
#include <algorithm>
#include <iterator>

#include <linux/sched.h>
#include <sched.h>

#include "agent/oci_reader.h"
#include "base/cpu_list.h"
#include "base/json_full.h"

namespace cc::agent {

namespace {

struct Named {
    std::string_view name;
    uint64_t value;
};

constexpr Named kPolicies[] = {
    {"SCHED_OTHER", SCHED_OTHER}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH}, {"SCHED_ISO", 4},           {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", 6}};
constexpr Named kFlags[] = {{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
                            {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
                            {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
                            {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
                            {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
                            {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
                            {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX}};
// As in linux/ioprio.h, which is not C++.
constexpr Named kIoClasses[] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr int kIoClassShift = 13;
constexpr uint32_t kLowestIoLevel = 7;

template <size_t kCount>
Result<uint64_t> Find(const Named (&known)[kCount], std::string_view key, std::string_view name) {
    const auto* found = std::find_if(std::begin(known), std::end(known),
                                     [&](const Named& entry) { return entry.name == name; });
    if (found == std::end(known)) return Fail(Cat(key, ": ", Quoted(name, 40), " is unknown"));
    return found->value;
}

Result<uint64_t> Nanoseconds(const Json& json, std::string_view key) {
    CC_ASSIGN(const int64_t value, IntMember(json, key, 0, 0, INT64_MAX));
    return static_cast<uint64_t>(value);
}

Result<SchedulerSpec> ReadScheduler(const Json& json) {
    SchedulerSpec scheduler;
    CC_ASSIGN(const std::string policy, TextMember(json, "policy"));
    CC_ASSIGN(const uint64_t number, Find(kPolicies, "policy", policy));
    scheduler.policy = static_cast<uint32_t>(number);
    CC_ASSIGN(const int64_t nice, IntMember(json, "nice", 0, -20, 19));
    scheduler.nice = static_cast<int32_t>(nice);
    CC_ASSIGN(scheduler.priority, UnsignedMember(json, "priority", 0, 99));
    CC_ASSIGN(const auto flags, StringsMember(json, "flags"));
    for (const auto& flag : flags) {
        CC_ASSIGN(const uint64_t bit, Find(kFlags, "flags", flag));
        scheduler.flags |= bit;
    }
    CC_ASSIGN(scheduler.runtime, Nanoseconds(json, "runtime"));
    CC_ASSIGN(scheduler.deadline, Nanoseconds(json, "deadline"));
    CC_ASSIGN(scheduler.period, Nanoseconds(json, "period"));
    return scheduler;
}

Result<int> ReadIoPriority(const Json& json) {
    CC_ASSIGN(const std::string name, TextMember(json, "class"));
    CC_ASSIGN(const uint64_t kind, Find(kIoClasses, "class", name));
    CC_ASSIGN(const uint32_t level, UnsignedMember(json, "priority", 0, kLowestIoLevel));
    return static_cast<int>(kind << kIoClassShift | level);
}

}  // namespace

Result<void> ReadScheduling(const Json& json, const ProcessSpec* container, ProcessSpec& process) {
    const bool joins = container != nullptr;
    if (joins) {
        process.io_priority = container->io_priority;
        process.scheduler = container->scheduler;
    }
    CC_ASSIGN(const Json* io_priority, ObjectMember(json, "ioPriority"));
    if (io_priority != nullptr) {
        CC_ASSIGN(process.io_priority, Context("ioPriority", ReadIoPriority(*io_priority)));
    }
    CC_ASSIGN(const Json* scheduler, ObjectMember(json, "scheduler"));
    if (scheduler != nullptr) {
        CC_ASSIGN(process.scheduler, Context("scheduler", ReadScheduler(*scheduler)));
    }
    CC_ASSIGN(const Json* affinity, ObjectMember(json, "execCPUAffinity"));
    if (affinity == nullptr || !joins) return {};
    // "initial" is for the time until the process is in the container's cgroup, which it is born
    // in.
    for (const char* key : {"initial", "final"}) {
        CC_ASSIGN(const std::string list, Context("execCPUAffinity", TextMember(*affinity, key)));
        if (list.empty()) continue;
        CC_ASSIGN(process.cpus, Context(Cat("execCPUAffinity.", key), ParseCpuList(list)));
    }
    return {};
}

}  // namespace cc::agent

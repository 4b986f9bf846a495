// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/priorities.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::agent {

namespace {

constexpr int kIoPriorityOfProcess = 1;  // IOPRIO_WHO_PROCESS, whose header is not C++

// The kernel's struct sched_attr, first version; its own header cannot stand beside the C
// library's <sched.h>.
struct SchedulerAttributes {
    uint32_t size = sizeof(SchedulerAttributes);
    uint32_t policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

Result<void> SetScheduler(pid_t pid, const SchedulerSpec& scheduler) {
    SchedulerAttributes attributes;
    attributes.policy = scheduler.policy;
    attributes.flags = scheduler.flags;
    attributes.nice = scheduler.nice;
    attributes.priority = scheduler.priority;
    attributes.runtime = scheduler.runtime;
    attributes.deadline = scheduler.deadline;
    attributes.period = scheduler.period;
    if (::syscall(SYS_sched_setattr, pid, &attributes, 0) < 0)
        return FailErrno("setting process.scheduler");
    return {};
}

Result<void> Bind(pid_t pid, const std::vector<int>& cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : cpus)
        CPU_SET(static_cast<size_t>(cpu), &set);
    if (::sched_setaffinity(pid, sizeof set, &set) < 0)
        return FailErrno("setting process.execCPUAffinity, which counts the VM's processors");
    return {};
}

}  // namespace

Result<void> SetLimits(pid_t pid, const std::vector<Rlimit>& limits) {
    for (const auto& limit : limits) {
        const rlimit value{limit.soft, limit.hard};
        if (::prlimit(pid, static_cast<__rlimit_resource>(limit.resource), &value, nullptr) < 0)
            return FailErrno(Cat("setting ", limit.name, " to ", limit.soft, "/", limit.hard));
    }
    return {};
}

Result<void> SetPriorities(pid_t pid, const ProcessSpec& process) {
    if (!process.cpus.empty()) CC_TRY(Bind(pid, process.cpus));
    if (process.scheduler) CC_TRY(SetScheduler(pid, *process.scheduler));
    if (process.io_priority &&
        ::syscall(SYS_ioprio_set, kIoPriorityOfProcess, pid, *process.io_priority) < 0)
        return FailErrno("setting process.ioPriority");
    return {};
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/growth.h"

#include <algorithm>

#include <unistd.h>

#include "base/cgroup_writes.h"
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/sandbox/cgroup_values.h"
#include "runtime/sandbox/limits.h"

namespace cc::runtime {

namespace {

constexpr int64_t kMib = 1 << 20;
// Measured: 38 MiB are touched when the agent is up.
constexpr int64_t kGuestMib = 64;
// QEMU's cache of translated code grows up to 1 GiB (its default for tb-size).
constexpr int64_t kTranslationMib = 1024;

int64_t InBlocks(int64_t mib) {
    return mib <= 0 ? 0 : (mib + kMemoryBlockMib - 1) / kMemoryBlockMib * kMemoryBlockMib;
}

int64_t MemoryFor(const RuntimeConfig& config, int64_t limit, int64_t host_mib) {
    if (limit <= 0) return config.memory_mib;
    // More than the host has is no limit, and no VM of that size would start.
    const int64_t limit_mib = std::min((limit - 1) / kMib + 1, host_mib);
    // The guest's kernel and agent; and what the kernel keeps about each page, 64 bytes for 4096.
    const int64_t needed = limit_mib + kGuestMib + limit_mib / 64;
    const int64_t whole = config.memory_mib + InBlocks(needed - config.memory_mib);
    return std::max(config.memory_mib, std::min(whole, host_mib));
}

int64_t CpusFor(const RuntimeConfig& config, int64_t millicpus, int64_t host_cpus) {
    if (millicpus <= 0) return config.vcpus;
    return std::max(config.vcpus, std::min((millicpus - 1) / 1000 + 1, host_cpus));
}

}  // namespace

Limits LimitsOf(const Json& resources) {
    return {MemoryLimitOf(resources), MillicpusOf(resources)};
}

HostSize ReadHostSize() {
    return {::sysconf(_SC_PHYS_PAGES) / (kMib / ::sysconf(_SC_PAGESIZE)),
            std::max<int64_t>(1, ::sysconf(_SC_NPROCESSORS_ONLN))};
}

VmSize PlanVmSize(const RuntimeConfig& config, const Limits& limits, const HostSize& host) {
    return {MemoryFor(config, limits.memory, host.memory_mib),
            CpusFor(config, limits.millicpus, host.cpus)};
}

int64_t HostMemoryOf(const RuntimeConfig& config, int64_t memory_mib, bool emulated) {
    return (memory_mib + config.memory_overhead_mib + (emulated ? kTranslationMib : 0)) * kMib;
}

VmGrowth GrowthBetween(const VmSize& from, const VmSize& to) {
    return {InBlocks(to.memory_mib - from.memory_mib), std::max<int64_t>(0, to.cpus - from.cpus)};
}

Result<void> GrowVm(const RuntimeConfig& config, const SandboxRecord& sandbox,
                    const Limits& limits) {
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox.vm_directory));
    CC_ASSIGN(const VmStatus status, vm.Status());
    const VmSize now{status.memory_mib, status.cpus};
    if (now.memory_mib == 0 || now.cpus == 0) return {};  // a keeper that does not say
    const VmGrowth growth = GrowthBetween(now, PlanVmSize(config, limits, ReadHostSize()));
    if (growth.none()) return {};
    if (growth.mib > kMostGrowthMib)
        return Fail(Cat("the virtual machine has ", now.memory_mib, " MiB and cannot grow by ",
                        growth.mib, " MiB at once, at most by ", kMostGrowthMib,
                        "; raise the limit in steps"));
    const bool emulated = status.acceleration == "tcg";
    const auto hold = [&](int64_t mib) {
        CgroupWrites made;  // what was plugged in stays, and so does this
        return LimitVm(sandbox, {}, HostMemoryOf(config, mib, emulated), made);
    };
    if (growth.mib > 0) CC_TRY(hold(now.memory_mib + growth.mib));
    auto grown = vm.Grow(growth);
    if (!grown && growth.mib > 0)
        if (const auto back = hold(now.memory_mib); !back)
            Log(LogLevel::kWarn, "the limit of the VM's memory stays raised",
                {{"why", back.error().message}});
    return Context("plugging memory and processors into the virtual machine", std::move(grown));
}

}  // namespace cc::runtime

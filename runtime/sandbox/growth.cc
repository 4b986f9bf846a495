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
// For the guest's kernel and agent. Measured: 38 MiB of 128 are touched when the agent is up. And
// what the kernel keeps about each page, 64 bytes for 4096.
constexpr int64_t kGuestMib = 64, kPageShare = 64;
// QEMU's cache of translated code grows up to 1 GiB (its default for tb-size).
constexpr int64_t kTranslationMib = 1024;

int64_t InBlocks(int64_t mib) {
    return mib <= 0 ? 0 : (mib + kMemoryBlockMib - 1) / kMemoryBlockMib * kMemoryBlockMib;
}

int64_t InMib(int64_t bytes) {
    return (bytes - 1) / kMib + 1;
}

int64_t MemoryFor(const RuntimeConfig& config, int64_t limit, int64_t host_mib) {
    if (limit <= 0) return config.memory_mib;
    // More than the host has is no limit, and no VM of that size would start.
    const int64_t limit_mib = std::min(InMib(limit), host_mib);
    const int64_t needed = limit_mib + kGuestMib + limit_mib / kPageShare;
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

int64_t HostMemoryOf(const RuntimeConfig& config, const Limits& limits, int64_t memory_mib,
                     bool emulated) {
    int64_t guest = memory_mib;
    if (limits.memory > 0)
        guest = std::min(guest, InMib(limits.memory) + kGuestMib + memory_mib / kPageShare);
    return (guest + config.memory_overhead_mib + (emulated ? kTranslationMib : 0)) * kMib;
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
    const VmSize wanted = PlanVmSize(config, limits, ReadHostSize());
    const VmGrowth growth = GrowthBetween(now, wanted);
    if (growth.mib > kMostGrowthMib)
        return Fail(Cat("the virtual machine has ", now.memory_mib, " MiB and cannot grow by ",
                        growth.mib, " MiB at once, at most by ", kMostGrowthMib,
                        "; raise the limit in steps"));
    // What it may take on the host is raised before, and never lowered: it may have taken it.
    const auto hold = [&](int64_t bytes) {
        CgroupWrites made;  // what was plugged in stays, and so does this
        return LimitVm(sandbox, {}, bytes, made);
    };
    const int64_t before = VmMemoryLimit(sandbox);
    const int64_t after = HostMemoryOf(config, limits, std::max(now.memory_mib, wanted.memory_mib),
                                       status.acceleration == "tcg");
    const bool raise = before > 0 && after > before;
    if (raise) CC_TRY(hold(after));
    if (growth.none()) return {};
    auto grown = vm.Grow(growth);
    if (!grown && raise)
        if (const auto back = hold(before); !back)
            Log(LogLevel::kWarn, "the limit of the VM's memory stays raised",
                {{"why", back.error().message}});
    return Context("plugging memory and processors into the virtual machine", std::move(grown));
}

}  // namespace cc::runtime

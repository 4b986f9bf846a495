// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/growth.h"

#include <algorithm>

#include <unistd.h>

#include "base/cgroup_writes.h"
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "protocol/vm_config.h"
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

int64_t MemoryFor(const RuntimeConfig& config, const Limits& limits, int64_t host_mib) {
    if (limits.memory <= 0) return config.memory_mib;
    // More than the host has is no limit, and no VM of that size would start.
    const int64_t limit_mib = std::min(InMib(limits.memory), host_mib);
    // The guest's kernel and agent, in what others have, too, if there are any.
    const int64_t others = limits.open_memory ? config.memory_mib : kGuestMib;
    const int64_t needed = limit_mib + others + limit_mib / kPageShare;
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

Limits Together(const std::vector<Limits>& containers, const Limits& told) {
    constexpr int64_t most = INT64_MAX / 2;  // of two, which are added
    Limits sum;
    for (const auto& limits : containers) {
        sum.memory = std::min(sum.memory + std::clamp<int64_t>(limits.memory, 0, most), most);
        sum.millicpus =
            std::min(sum.millicpus + std::clamp<int64_t>(limits.millicpus, 0, most), most);
        if (limits.memory <= 0) sum.open_memory = true;
    }
    if (told.memory > 0) sum.open_memory = false;
    sum.memory = std::max(sum.memory, told.memory);
    sum.millicpus = std::max(sum.millicpus, told.millicpus);
    return sum;
}

HostSize ReadHostSize() {
    return {::sysconf(_SC_PHYS_PAGES) / (kMib / ::sysconf(_SC_PAGESIZE)),
            std::max<int64_t>(1, ::sysconf(_SC_NPROCESSORS_ONLN))};
}

VmSize PlanVmSize(const RuntimeConfig& config, const Limits& limits, const HostSize& host) {
    return {MemoryFor(config, limits, host.memory_mib),
            CpusFor(config, limits.millicpus, host.cpus)};
}

int64_t HostMemoryOf(const RuntimeConfig& config, const Limits& limits, int64_t memory_mib,
                     bool emulated) {
    int64_t guest = memory_mib;
    if (limits.memory > 0 && !limits.open_memory)
        guest = std::min(guest, InMib(limits.memory) + kGuestMib + memory_mib / kPageShare);
    return (guest + config.memory_overhead_mib + (emulated ? kTranslationMib : 0)) * kMib;
}

VmGrowth GrowthBetween(const VmSize& from, const VmSize& to) {
    return {InBlocks(to.memory_mib - from.memory_mib), std::max<int64_t>(0, to.cpus - from.cpus)};
}

namespace {

Result<void> Plug(VmClient& vm, const VmGrowth& growth) {
    return Context("plugging memory and processors into the virtual machine", vm.Grow(growth));
}

// A VM that runs, and how far it is from what is needed.
struct Shortage {
    VmClient vm;
    VmStatus now;
    VmGrowth growth;
};

Result<Shortage> ShortageOf(const RuntimeConfig& config, const SandboxRecord& sandbox,
                            const Limits& limits) {
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox.vm_directory));
    CC_ASSIGN(VmStatus now, vm.Status());
    VmGrowth growth;
    if (now.memory_mib != 0 && now.cpus != 0)  // otherwise a keeper that does not say
        growth =
            GrowthBetween({now.memory_mib, now.cpus}, PlanVmSize(config, limits, ReadHostSize()));
    return Shortage{std::move(vm), std::move(now), growth};
}

void WarnOfSize(const SandboxRecord& sandbox, const VmStatus& now, std::string_view why) {
    Log(LogLevel::kWarn,
        "the virtual machine does not grow by all that its containers may take together",
        {{"sandbox", sandbox.id},
         {"memoryMib", std::to_string(now.memory_mib)},
         {"cpus", std::to_string(now.cpus)},
         {"why", std::string(why)}});
}

}  // namespace

Result<void> GrowVm(const RuntimeConfig& config, const SandboxRecord& sandbox,
                    const Limits& limits) {
    CC_ASSIGN(Shortage shortage, ShortageOf(config, sandbox, limits));
    const VmGrowth& growth = shortage.growth;
    if (growth.none()) return {};
    if (growth.mib > kMostGrowthMib)
        return Fail(Cat("the virtual machine has ", shortage.now.memory_mib,
                        " MiB and cannot grow by ", growth.mib, " MiB at once, at most by ",
                        kMostGrowthMib, "; raise the limit in steps"));
    return Plug(shortage.vm, growth);
}

std::optional<VmSize> GrowVmIfPossible(const RuntimeConfig& config, const SandboxRecord& sandbox,
                                       const Limits& limits) {
    auto shortage = ShortageOf(config, sandbox, limits);
    if (!shortage) {
        WarnOfSize(sandbox, {}, shortage.error().message);
        return std::nullopt;
    }
    VmStatus& now = shortage->now;
    VmGrowth growth = shortage->growth;
    if (growth.mib > kMostGrowthMib) {
        WarnOfSize(sandbox, now,
                   Cat(growth.mib, " MiB are missing, at most ", kMostGrowthMib,
                       " can be plugged in at once"));
        growth.mib = kMostGrowthMib;
    }
    const int64_t most = MostCpus(config.machine, config.vcpus, ReadHostSize().cpus);
    if (const int64_t room = std::max<int64_t>(0, most - now.cpus); growth.cpus > room) {
        WarnOfSize(sandbox, now,
                   Cat(growth.cpus, " processors are missing, there is room for ", room));
        growth.cpus = room;
    }
    bool grew = false;
    // Each for itself: one may go where the other does not.
    for (const VmGrowth part : {VmGrowth{growth.mib, 0}, VmGrowth{0, growth.cpus}}) {
        if (part.none()) continue;
        if (const auto grown = Plug(shortage->vm, part); !grown) {
            WarnOfSize(sandbox, now, grown.error().message);
            continue;
        }
        grew = true;
        now.memory_mib += part.mib;
        now.cpus += part.cpus;
    }
    if (!grew) return std::nullopt;
    return VmSize{now.memory_mib, now.cpus};
}

Result<void> RaiseVmMemory(const RuntimeConfig& config, const SandboxRecord& sandbox,
                           const Limits& limits) {
    const int64_t before = VmMemoryLimit(sandbox);
    if (before == 0) return {};
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox.vm_directory));
    CC_ASSIGN(const VmStatus now, vm.Status());
    const int64_t after = HostMemoryOf(config, limits, now.memory_mib, now.acceleration == "tcg");
    CgroupWrites made;
    return after > before ? LimitVm(sandbox, {}, after, made) : Result<void>();
}

}  // namespace cc::runtime

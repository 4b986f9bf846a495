// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/vm_source.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "host/template_key.h"
#include "runtime/sandbox/growth.h"
#include "runtime/sandbox/vm.h"

namespace cc::runtime {

namespace {

constexpr int64_t kMostPooled = 4;
// Of the memory that is available, this part may wait in a pool, counting each VM with its full
// size.
constexpr int64_t kPoolShare = 32;

int64_t PoolSize(const RuntimeConfig& config) {
    if (config.pool >= 0) return config.pool;
    return std::min(kMostPooled, HostAvailableMib() / kPoolShare / config.memory_mib);
}

Result<StartedVm> StartHere(const VmConfig& vm, const std::string& executable,
                            const std::function<Result<void>()>& enter, const TakenVm& from) {
    CC_ASSIGN(const KeeperHandle keeper,
              StartKeeper(executable, vm, enter, from.memory.get(), from.state.get()));
    return StartedVm{vm.origin, {keeper.process.pid(), keeper.start_time}, keeper.status};
}

// Of a VM that has come up from a template, where the runtime found it.
Result<void> Grow(const std::string& directory, const VmGrowth& growth) {
    if (growth.none()) return {};
    CC_ASSIGN(VmClient vm, VmClient::Connect(directory));
    return Context("plugging memory and processors into the clone", vm.Grow(growth));
}

// There is one template for all sizes of VMs; the larger ones grow.
Result<VmGrowth> GrowthOf(const RuntimeConfig& config, const VmConfig& vm) {
    const VmGrowth growth =
        GrowthBetween({config.memory_mib, config.vcpus}, {vm.memory_mib, vm.vcpus});
    if (growth.mib > kMostGrowthMib)
        return Fail(Cat("a clone cannot grow by ", growth.mib, " MiB, at most ", kMostGrowthMib),
                    ECANCELED);
    const int64_t cpus = MostCpus(vm.machine, config.vcpus, ReadHostSize().cpus);
    if (vm.vcpus > cpus)
        return Fail(Cat("a clone cannot have ", vm.vcpus, " processors, at most ", cpus),
                    ECANCELED);
    if (growth.mib > 0 && vm.machine == MachineType::kMicrovm)
        return Fail("memory cannot be plugged into a microvm", ECANCELED);
    return growth;
}

struct Taken {
    TemplateClient from;
    TakenVm vm;
};

Result<Taken> TakeOnce(const RuntimeConfig& config, const TemplateConfig& wanted,
                       const std::string& directory, const std::string& executable) {
    CC_ASSIGN(TemplateClient client,
              TemplateClient::ConnectOrStart(executable, wanted, config.boot_timeout));
    CC_ASSIGN(TakenVm vm, client.Take(wanted.key, directory, config.boot_timeout));
    return Taken{std::move(client), std::move(vm)};
}

// A keeper that is killed may still take our question while it dies: the next one answers it.
Result<Taken> Take(const RuntimeConfig& config, const TemplateConfig& wanted,
                   const std::string& directory, const std::string& executable) {
    auto taken = TakeOnce(config, wanted, directory, executable);
    const bool died = !taken && (taken.error().code == ECONNRESET || taken.error().code == EPIPE);
    return died ? TakeOnce(config, wanted, directory, executable) : std::move(taken);
}

Result<StartedVm> FromTemplate(const RuntimeConfig& config, VmConfig vm,
                               const std::string& executable,
                               const std::function<Result<void>()>& enter) {
    CC_ASSIGN(const VmGrowth growth, GrowthOf(config, vm));
    vm.memory_mib = config.memory_mib;
    vm.vcpus = config.vcpus;
    CC_ASSIGN(const TemplateConfig wanted, PlanTemplate(config, vm, executable));
    CC_ASSIGN(Taken taken, Take(config, wanted, vm.directory, executable));
    if (const auto& pooled = taken.vm.pooled) {
        CC_TRY(Grow(vm.directory, growth));
        return StartedVm{VmOrigin::kPooled, Identify(static_cast<pid_t>(pooled->keeper_pid)),
                         *pooled};
    }
    vm.origin = VmOrigin::kClone;
    auto cloned = StartHere(vm, executable, enter, taken.vm);
    // Whoever comes next shall not try it again.
    if (!cloned) (void)taken.from.Stop();
    if (cloned) CC_TRY(Grow(vm.directory, growth));
    return Context("cloning the template", std::move(cloned));
}

}  // namespace

Result<TemplateConfig> PlanTemplate(const RuntimeConfig& config, const VmConfig& vm,
                                    const std::string& executable) {
    TemplateConfig wanted;
    wanted.vm = vm;
    wanted.vm.name.clear();
    wanted.vm.directory.clear();
    CC_ASSIGN(wanted.key, TemplateKey(executable, wanted.vm));
    wanted.directory = Cat(config.TemplatePath(), "/", TemplateDirectoryName(wanted.key));
    wanted.pool = PoolSize(config);
    return wanted;
}

Result<StartedVm> ObtainVm(const RuntimeConfig& config, const VmConfig& vm,
                           const SandboxRecord& sandbox, const std::string& executable,
                           const std::function<Result<void>()>& enter) {
    if (config.enable_template && CanBeCloned(vm)) {
        auto started = FromTemplate(config, vm, executable, enter);
        if (started) return started;
        // A reason that was told before is no news.
        Log(started.error().code == ECANCELED ? LogLevel::kDebug : LogLevel::kWarn,
            "there is no template to start from; the virtual machine boots",
            {{"why", started.error().message}});
        // A VM may have been given to us whose keeper we did not hear.
        CC_TRY(ClearVmDirectory(sandbox));
    }
    return StartHere(vm, executable, enter, {});
}

}  // namespace cc::runtime

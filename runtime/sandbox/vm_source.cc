// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/vm_source.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "host/template_key.h"
#include "runtime/sandbox/growth.h"
#include "runtime/sandbox/interrupt.h"
#include "runtime/sandbox/vm.h"

namespace cc::runtime {

namespace {

constexpr int64_t kMostPooledByDefault = 4;
// Of the memory that is available, this part may wait in a pool. A VM that waits has made 50 MiB
// its own under emulation, whatever its size; with room for what it was not measured with.
constexpr int64_t kPoolShare = 32, kWaitingMib = 128;

int64_t PoolSize(const RuntimeConfig& config) {
    if (config.pool >= 0) return config.pool;
    return std::min(kMostPooledByDefault, HostAvailableMib() / kPoolShare / kWaitingMib);
}

// It can tell a device of the machine where its number lies in memory, which vmgenid needs; qboot,
// with which a VM boots sooner, stops at that.
constexpr const char* kSeaBios = "/usr/share/seabios/bios-256k.bin";

// A template's machine, and so its clones': the kernel learns from it that it has been cloned. A
// firmware that somebody chose stays, whatever it can do.
VmConfig WithGenerationId(VmConfig vm) {
    if (vm.machine == MachineType::kMicrovm || !vm.firmware.empty() || !Exists(kSeaBios)) return vm;
    vm.firmware = kSeaBios;
    vm.generation_id = true;
    return vm;
}

// What is asked of ObtainVm.
struct Order {
    const RuntimeConfig& config;
    const VmConfig& vm;
    const SandboxRecord& sandbox;
    const std::string& executable;
    const std::function<Result<void>()>& enter;
};

Result<StartedVm> StartHere(const Order& order, const VmConfig& vm, const TakenVm& from) {
    CC_ASSIGN(const KeeperHandle keeper,
              StartKeeper(order.executable, vm, order.enter, from.files()));
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

// Something was killed or replaced while it was used; that says nothing about the next try.
constexpr int kWorthAnotherTry = EAGAIN;
constexpr int kTries = 2;

bool WasKilled(const Error& error) {
    return error.code == ECONNRESET || error.code == EPIPE || error.code == ECONNREFUSED ||
           error.code == ENOENT;
}

struct Taken {
    TemplateClient from;
    TakenVm vm;
};

Result<Taken> Take(const Order& order, const TemplateConfig& wanted) {
    const auto patience = order.config.boot_timeout;
    CC_ASSIGN(TemplateClient client,
              TemplateClient::ConnectOrStart(order.executable, wanted, patience));
    auto vm = [&]() -> Result<TakenVm> {
        // One that is stopped, or hangs, would keep us waiting for as long as a template may take.
        CC_TRY(client.Status());
        const InterruptibleConnection ends(client.fd());
        return client.Take(wanted.key, order.vm.directory, patience);
    }();
    if (vm) return Taken{std::move(client), std::move(*vm)};
    CC_TRY(CheckInterrupted());
    if (WasKilled(vm.error())) client.AwaitEnd();
    return Failure(std::move(vm.error()));
}

class FromTemplate {
  public:
    FromTemplate(const Order& order, const VmGrowth& growth)
        : order_(order), vm_(WithGenerationId(order.vm)), growth_(growth) {
        vm_.memory_mib = order.config.memory_mib;
        vm_.vcpus = order.config.vcpus;
    }
    Result<StartedVm> Try();
    // Of one whose clone did not come up.
    std::optional<TemplateClient> TakeSuspect() { return std::move(suspect_); }

  private:
    Result<StartedVm> TryOnce();
    Result<StartedVm> Start(Taken taken);
    // A VMM that has been replaced meanwhile must not go on where another one has stopped.
    bool IsReplaced(const TemplateConfig& wanted) const {
        const auto now = PlanTemplate(order_.config, vm_, order_.executable);
        return !now || now->key != wanted.key;
    }

    const Order& order_;
    VmConfig vm_;
    VmGrowth growth_;
    std::optional<TemplateClient> suspect_;
};

Result<StartedVm> FromTemplate::Try() {
    auto started = TryOnce();
    for (int i = 1; i < kTries && !started && started.error().code == kWorthAnotherTry; ++i) {
        Log(LogLevel::kInfo, "the template is tried once more", {{"why", started.error().message}});
        CC_TRY(CheckInterrupted());
        // A VM may have been given to us whose keeper we did not hear.
        CC_TRY(ClearVmDirectory(order_.sandbox));
        started = TryOnce();
    }
    return started;
}

Result<StartedVm> FromTemplate::TryOnce() {
    vm_.origin = VmOrigin::kBoot;
    CC_ASSIGN(const TemplateConfig wanted, PlanTemplate(order_.config, vm_, order_.executable));
    auto taken = Take(order_, wanted);
    const bool killed = !taken && WasKilled(taken.error());
    auto started = taken ? Start(std::move(*taken)) : Failure(std::move(taken.error()));
    if (killed || IsReplaced(wanted)) {
        const std::string why = started ? "kernel, image or VMM were replaced meanwhile"
                                        : std::move(started.error().message);
        return Fail(why, kWorthAnotherTry);
    }
    return started;
}

Result<StartedVm> FromTemplate::Start(Taken taken) {
    if (const auto& pooled = taken.vm.pooled) {
        if (auto grown = Grow(vm_.directory, growth_); !grown)
            return Fail(std::move(grown.error().message), kWorthAnotherTry);
        return StartedVm{VmOrigin::kPooled, Identify(static_cast<pid_t>(pooled->keeper_pid)),
                         *pooled};
    }
    vm_.origin = VmOrigin::kClone;
    auto cloned = StartHere(order_, vm_, taken.vm);
    if (!cloned && cloned.error().code == ECONNRESET)
        return Fail(Cat("cloning the template: ", cloned.error().message), kWorthAnotherTry);
    if (!cloned) suspect_ = std::move(taken.from);
    if (cloned) CC_TRY(Grow(vm_.directory, growth_));
    return Context("cloning the template", std::move(cloned));
}

}  // namespace

Result<TemplateConfig> PlanTemplate(const RuntimeConfig& config, const VmConfig& vm,
                                    const std::string& executable) {
    TemplateConfig wanted;
    wanted.vm = WithGenerationId(vm);
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
    const Order order{config, vm, sandbox, executable, enter};
    if (!config.enable_template || !CanBeCloned(vm)) return StartHere(order, vm, {});
    std::optional<TemplateClient> suspect;
    auto started = [&]() -> Result<StartedVm> {
        CC_ASSIGN(const VmGrowth growth, GrowthOf(config, vm));
        FromTemplate source(order, growth);
        auto tried = source.Try();
        suspect = source.TakeSuspect();
        return tried;
    }();
    if (started) return started;
    CC_TRY(CheckInterrupted());
    // A reason that was told before is no news.
    Log(started.error().code == ECANCELED ? LogLevel::kDebug : LogLevel::kWarn,
        "there is no template to start from; the virtual machine boots",
        {{"why", started.error().message}});
    CC_TRY(ClearVmDirectory(sandbox));
    auto booted = StartHere(order, vm, {});
    // A clone has failed where a boot does not: whoever comes next shall not try it again.
    if (booted && suspect) (void)suspect->Stop();
    return booted;
}

}  // namespace cc::runtime

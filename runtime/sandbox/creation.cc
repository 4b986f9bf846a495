// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/creation.h"

#include <algorithm>
#include <csignal>
#include <future>

#include "base/cgroup_writes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "host/template_key.h"
#include "runtime/clock.h"
#include "runtime/guest_assets.h"
#include "runtime/network/cards.h"
#include "runtime/network/link_ways.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/boot_failure.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/limits.h"
#include "runtime/sandbox/pod.h"
#include "runtime/sandbox/vm.h"
#include "runtime/sandbox/vm_source.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kPrepare = "prepare", kContainer = "container", kBootStep = "boot";
constexpr size_t kEntropy = 64;  // bytes of it that a guest is given
constexpr std::chrono::milliseconds kUnregisterDeadline{5000};

}  // namespace

const std::vector<Creation::Step>& Creation::SandboxSteps() {
    static const std::vector<Step> steps = {
        // Bundle, configuration, guest files: touches nothing.
        {"validate", kPrepare, &Creation::PlanOwnSandbox},
        // Directories, locks, state "creating".
        {"record", kPrepare, &Creation::RecordSandbox},
        // cgroupsPath in every hierarchy with its limits.
        {"cgroup", kPrepare, &Creation::MakeContainerCgroup},
        // With stdio, network namespace, cgroup.
        {"shim", kPrepare, &Creation::ForkShim},
        // Of the host: prestart, createRuntime, createContainer.
        {"hooks", kPrepare, &Creation::RunCreateHooks},
        // One that is on a block device is not mounted on the host any more.
        {"root", kPrepare, &Creation::TakeRoot},
        // What hooks made of it: changes nothing.
        {"network", kPrepare, &Creation::ReadNetwork},
        // Keeper and VMM.
        {"vm", "VM process", &Creation::StartVm},
        // Started when nobody listens.
        {"proxy", "proxy", &Creation::ConnectProxy},
        // RegisterVM: returns when the agent is there.
        {kBootStep, "guest", &Creation::BootGuest},
        // In its cgroup, and only now: a limited boot would be late.
        {"limits", kContainer, &Creation::SetVmLimits},
        // The agent mounts the share, and the guest gets its network, on both sides.
        {"pod", kContainer, &Creation::StartPod},
        // Root file system and bind mounts.
        {"share", kContainer, &Creation::ShareFiles},
        // A token for the shim; the proxy gets the other end of its connection.
        {"attach", kContainer, &Creation::AttachShim},
        // Block devices, as disks.
        {"disks", kContainer, &Creation::PlugDisks},
        // All but the execution of its program; an agent of 3.0 does it all at start.
        {"container", kContainer, &Creation::MakeContainer},
        // State "created".
        {"created", kContainer, &Creation::RecordCreated},
        // Last: engines take it as the sign that all is done.
        {"pid-file", kContainer, &Creation::WritePidFile},
    };
    return steps;
}

std::vector<Creation::Step> Creation::SandboxSteps(std::string_view first, std::string_view last) {
    const auto& all = SandboxSteps();
    const auto at = [&all](std::string_view name) {
        return std::find_if(all.begin(), all.end(),
                            [name](const Step& step) { return step.name == name; });
    };
    return {at(first), at(last) + 1};
}

const std::vector<Creation::Step>& Creation::NetworkHookSteps() {
    static const std::vector<Step> steps = [] {
        std::vector<Step> list = SandboxSteps("validate", "shim");
        list.push_back({"hooks", "hooks", &Creation::RunHooksBeside});  // and BesideHookSteps()
        list.push_back({"network", "network", &Creation::ConnectLate});
        for (const auto& step : SandboxSteps("created", "pid-file"))
            list.push_back(step);
        return list;
    }();
    return steps;
}

const std::vector<Creation::Step>& Creation::BesideHookSteps() {
    static const std::vector<Step> steps = SandboxSteps("root", "container");
    return steps;
}

const std::vector<Creation::Step>& Creation::JoinSteps() {
    static const std::vector<Step> steps = {
        // Also whether the sandbox is there and lives: touches nothing.
        {"validate", kPrepare, &Creation::FindSandbox},
        // And the sandbox's lock, up to the end: one at a time.
        {"record", kPrepare, &Creation::RecordJoin},
        {"cgroup", kPrepare, &Creation::MakeContainerCgroup},
        {"shim", kPrepare, &Creation::ForkShim},
        {"hooks", kPrepare, &Creation::RunCreateHooks},
        {"root", kPrepare, &Creation::TakeRoot},
        // For the limits of all; the VM keeps that size, whatever becomes of the container.
        {"growth", "VM process", &Creation::GrowForAll},
        {"proxy", "proxy", &Creation::ConnectProxy},
        {"share", kContainer, &Creation::ShareInto},
        {"attach", kContainer, &Creation::AttachShim},
        {"disks", kContainer, &Creation::PlugDisks},
        {"container", kContainer, &Creation::MakeInside},
        {"created", kContainer, &Creation::RecordCreated},
        {"pid-file", kContainer, &Creation::WritePidFile},
    };
    return steps;
}

namespace {

template <typename Steps>
std::vector<std::string_view> NamesOf(const Steps& steps) {
    std::vector<std::string_view> names;
    names.reserve(steps.size());
    for (const auto& step : steps)
        names.push_back(step.name);
    return names;
}

}  // namespace

std::vector<std::string_view> Creation::StepNames() {
    return NamesOf(SandboxSteps());
}

std::vector<std::string_view> Creation::JoinStepNames() {
    return NamesOf(JoinSteps());
}

void Creation::LogFailure(std::string_view what, const Result<void>& result) {
    if (!result) Log(LogLevel::kError, what, {{"why", result.error().message}});
}

Creation::Creation(CreateRequest request, RuntimeConfig config, Store store, Phases& phases)
    : request_(std::move(request)),
      config_(std::move(config)),
      store_(std::move(store)),
      phases_(phases) {}

Result<void> Creation::Run() {
    auto done = ReadBundle();
    if (done) done = ChooseSteps().and_then([this](const auto* steps) { return RunSteps(*steps); });
    if (!done) {
        // An interrupt shows first as the failure of what it ended.
        if (auto interrupted = CheckInterrupted(); !interrupted) done = interrupted;
        // First of all, or it would see its VM go and say so.
        if (shim_) shim_->Kill();
        undo_.Run();
        return Context(Cat("creating container ", Quoted(request_.id, 64)), std::move(done));
    }
    undo_.Commit();
    proxy_.reset();
    network_.Reset();
    container_lock_.reset();
    sandbox_lock_.reset();
    return {};
}

Result<void> Creation::ReadBundle() {
    CC_TRY(CheckId(request_.id));
    CC_ASSIGN(bundle_, LoadBundle(request_.bundle));
    CC_ASSIGN(role_, PodRoleOf(bundle_.spec, request_.id));
    if (IsOfPodWithoutSandbox(bundle_.spec, role_, store_)) role_ = {};
    return {};
}

Result<const std::vector<Creation::Step>*> Creation::ChooseSteps() const {
    if (role_.joins()) return &JoinSteps();
    CC_ASSIGN(const bool beside, CanRunBeside(*bundle_.spec.document));
    const OciNamespace* network = bundle_.spec.Namespace("network");
    const bool new_network = network != nullptr && network->path.empty();
    // A machine whose link a program serves has memory of another kind from its start.
    const bool later = beside && new_network && !AnyVhostUser(LinkHost{}.vhost_user);
    return later ? &NetworkHookSteps() : &SandboxSteps();
}

Result<void> Creation::RunSteps(const std::vector<Step>& steps) {
    for (const auto& step : steps) {
        CC_TRY((this->*step.run)());
        if (step.name == kBootStep && origin_ == VmOrigin::kBoot)
            phases_.MarkBoot(step.name, agent_);
        else
            phases_.Mark(step.name, step.phase);
        CC_TRY(CheckInterrupted());
        if (step.name == request_.kill_after) ::raise(SIGKILL);
        if (step.name == request_.fail_after)
            return Fail(Cat("stopped after the step '", step.name, "', as --fail-after asked"));
    }
    return {};
}

Result<void> Creation::PlanOwnSandbox() {
    CC_TRY(PlanContainer());
    const bool pod = role_.kind == PodRole::Kind::kSandbox;
    // The containers of a pod have one parent cgroup, which has its limits, and so has the VM, that
    // lies in it; those of its own container are for the least of them.
    if (!pod) vm_limits_ = limits_;
    vm_for_ = pod ? PodLimits(bundle_.spec.annotations) : LimitsOf(bundle_.spec.Resources());
    vm_size_ = PlanVmSize(config_, vm_for_, ReadHostSize());
    CC_ASSIGN(hypervisor_, FindHypervisor(config_, self_));
    CC_ASSIGN(file_server_, FindFileServer(config_));
    CC_ASSIGN(guest_, ChooseGuest(config_, bundle_.spec.annotations, ShareDirectories(self_)));
    sandbox_ = PlanSandbox(config_, store_.root(), request_.id);
    sandbox_.pod = pod;
    sandbox_.assets = AssetsOf(hypervisor_, guest_);
    const std::string vm_name = Cat("cc-vm-", sandbox_.vm_name);
    vm_cgroup_ = pod ? PlanPodCgroup(cgroup_, scope_, vm_name)
                     : PlanVmCgroup(cgroup_, scope_, vm_name, limits_);
    sandbox_.proxy_executable = config_.proxy_path.empty() ? self_ : config_.proxy_path;
    sandbox_.proxy_ksm = config_.proxy_ksm;
    sandbox_.proxy_log_level = config_.proxy_debug || request_.debug ? "debug" : "warn";
    return {};
}

Result<void> Creation::RecordSandbox() {
    CC_TRY(ClaimId());
    CC_ASSIGN(sandbox_lock_, store_.MakeSandbox(sandbox_.id));
    undo_.Push([this] { LogFailure("removing state", store_.RemoveSandbox(sandbox_.id)); });
    sandbox_.cgroups = vm_cgroup_.Leaves();
    sandbox_.cgroups_below = vm_cgroup_.below.Leaves();
    sandbox_.cgroups_created = vm_cgroup_.Missing();
    sandbox_.scope = vm_cgroup_.scope.unit;
    CC_TRY(store_.Save(sandbox_));
    CC_TRY(RecordContainer());
    // Left over from a creation that was killed together with its state.
    CC_TRY(ClearVmDirectory(sandbox_));
    undo_.Push(
        [this] { LogFailure("removing the VM's directory", RemoveTree(sandbox_.vm_directory)); });
    return {};
}

Result<void> Creation::StartVm() {
    CC_TRY(TakeDevices());
    undo_.Push([this] {
        LogFailure("ending a scope", EndScope(sandbox_.scope));
        RemoveCgroups(sandbox_.cgroups_created);
    });
    CC_TRY(MakeVmCgroup(vm_cgroup_, ControllersOf(limits_)));
    undo_.Push([this] { LogFailure("ending the VM", StopVm(sandbox_)); });
    const auto enter = [this] { return EnterVmCgroup(vm_cgroup_, 0); };
    VmConfig wanted = MakeVmConfig(config_, guest_, hypervisor_, sandbox_);
    wanted.file_server = file_server_;
    wanted.memory_mib = vm_size_.memory_mib;
    wanted.vcpus = vm_size_.cpus;
    wanted.shared_memory = NeedsSharedMemory(sandbox_.network.cards);
    // One that is restored has them plugged in later.
    if (!config_.enable_template || !CanBeCloned(wanted))
        wanted.cards = CardsFromStart(sandbox_.network.cards);
    CC_ASSIGN(const StartedVm vm, Context("starting the virtual machine",
                                          ObtainVm(config_, wanted, sandbox_, self_, enter)));
    origin_ = vm.origin;
    emulated_ = vm.status.acceleration == "tcg";
    interrupt_.Watch(vm.keeper.pid);
    sandbox_.keeper = vm.keeper;
    sandbox_.vmm = Identify(static_cast<pid_t>(vm.status.vmm_pid));
    Log(LogLevel::kInfo, "virtual machine started",
        {{"sandbox", sandbox_.id},
         {"origin", std::string(Name(origin_))},
         {"acceleration", vm.status.acceleration},
         {"reason", vm.status.acceleration_reason}});
    if (origin_ == VmOrigin::kPooled) {
        CC_TRY(EnterVmCgroup(vm_cgroup_, sandbox_.keeper.pid));
        CC_TRY(JoinCgroups(sandbox_.cgroups, sandbox_.vmm.pid));
        for (const int64_t pid : vm.status.file_server_pids)
            CC_TRY(JoinCgroups(sandbox_.cgroups, static_cast<pid_t>(pid)));
    }
    return store_.Save(sandbox_);
}

Result<void> Creation::BootGuest() {
    undo_.Push([this] {
        // On a connection of its own: this one may still wait for an answer.
        auto client = ProxyClient::Connect(RunningProxyOf(sandbox_));
        if (client) (void)client->UnregisterVm({sandbox_.vm_name}, kUnregisterDeadline);
    });
    RegisterVm message;
    message.container_id = sandbox_.vm_name;
    message.ctl_serial = Cat(sandbox_.vm_directory, "/", kCtlSocketName);
    message.io_serial = Cat(sandbox_.vm_directory, "/", kIoSocketName);
    auto registered = proxy_->RegisterVm(message, config_.boot_timeout);
    if (!registered) {
        const Error& error = registered.error();
        const std::string why = error.code == ETIMEDOUT
                                    ? Cat("the guest did not come up within ",
                                          config_.boot_timeout.count(), " s (boot_timeout)")
                                    : Cat("the guest did not come up: ", error.message);
        return Fail(ExplainBootFailure(why, sandbox_.vm_directory), error.code);
    }
    agent_ = registered->agent;
    return {};
}

Result<void> Creation::SetVmLimits() {
    const int64_t memory =
        vm_for_.memory > 0 ? HostMemoryOf(config_, vm_for_, vm_size_.memory_mib, emulated_) : 0;
    CC_TRY(LimitContainer(true));
    CgroupWrites made;  // undone with the cgroup itself
    return Context("linux.resources", LimitVm(sandbox_, vm_limits_, memory, made));
}

Result<void> Creation::StartPod() {
    cc::StartPod pod;
    pod.hostname = sandbox_.id;
    pod.share_dir = kShareTag;
    CC_ASSIGN(pod.entropy, RandomBytes(kEntropy));
    pod.unix_time_ns = UnixTimeNs();
    if (vm_size_.memory_mib != config_.memory_mib) pod.memory_mib = vm_size_.memory_mib;
    if (vm_size_.cpus != config_.vcpus) pod.cpus = vm_size_.cpus;
    if (!agent_ || agent_->extension < kLateNetworkExtension) network_expected_ = false;
    CC_TRY(TellNetwork(pod));
    CC_TRY(RecordNetwork());
    // The host's kernel takes its time to move a link, and so does the guest.
    auto connecting = std::async(std::launch::async, [this] { return ConnectNetwork(); });
    auto started = CallAgent(*proxy_, ControlCode::kStartPod, Encode(pod));
    auto connected = connecting.get();
    CC_TRY(Context("preparing the guest", std::move(started)));
    const std::string_view what = "connecting the virtual machine to the network";
    CC_TRY(Context(what, std::move(connected)));
    return network_later_ ? Result<void>{} : Context(what, FollowNetwork());
}

}  // namespace cc::runtime

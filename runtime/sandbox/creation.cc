// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/creation.h"

#include <csignal>

#include <sched.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/clock.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "runtime/oci/without_effect.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/boot_failure.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/limits.h"
#include "runtime/sandbox/pod.h"
#include "runtime/sandbox/shim_root.h"
#include "runtime/sandbox/vm.h"
#include "runtime/storage/detached_mount.h"

namespace cc::runtime {

namespace {

constexpr std::string_view kPrepare = "prepare", kContainer = "container", kBootStep = "boot";
constexpr size_t kMaxMountinfo = 64 << 20;
constexpr std::chrono::milliseconds kUnregisterDeadline{5000};

void LogFailure(std::string_view what, const Result<void>& result) {
    if (!result) Log(LogLevel::kError, what, {{"why", result.error().message}});
}

}  // namespace

const std::vector<Creation::Step>& Creation::Steps() {
    static const std::vector<Step> steps = {
        // Bundle, configuration, guest files: touches nothing.
        {"validate", kPrepare, &Creation::Validate},
        // Directories, locks, state "creating".
        {"record", kPrepare, &Creation::RecordIntent},
        // cgroupsPath in every hierarchy with its limits, and the VM's beside it.
        {"cgroup", kPrepare, &Creation::MakeCgroups},
        // With stdio, network namespace, cgroup.
        {"shim", kPrepare, &Creation::ForkShim},
        // Of the host: prestart, createRuntime, createContainer.
        {"hooks", kPrepare, &Creation::RunCreateHooks},
        // Keeper and VMM.
        {"vm", "VM process", &Creation::StartVm},
        // Started when nobody listens.
        {"proxy", "proxy", &Creation::ConnectProxy},
        // RegisterVM: returns when the agent is there.
        {kBootStep, "guest", &Creation::BootGuest},
        // In its cgroup, and only now: a limited boot would be late.
        {"limits", kContainer, &Creation::SetVmLimits},
        // The agent mounts the share.
        {"pod", kContainer, &Creation::StartPod},
        // Root file system and bind mounts.
        {"share", kContainer, &Creation::ShareFiles},
        // A token for the shim; the proxy gets the other end of its connection.
        {"attach", kContainer, &Creation::AttachShim},
        // All but the execution of its program; an agent of 3.0 does it all at start.
        {"container", kContainer, &Creation::MakeContainer},
        // State "created".
        {"created", kContainer, &Creation::RecordCreated},
        // Last: engines take it as the sign that all is done.
        {"pid-file", kContainer, &Creation::WritePidFile},
    };
    return steps;
}

std::vector<std::string_view> Creation::StepNames() {
    std::vector<std::string_view> names;
    for (const auto& step : Steps())
        names.push_back(step.name);
    return names;
}

Creation::Creation(CreateRequest request, RuntimeConfig config, Store store, Phases& phases)
    : request_(std::move(request)),
      config_(std::move(config)),
      store_(std::move(store)),
      phases_(phases) {}

Result<void> Creation::Run() {
    auto run = [this]() -> Result<void> {
        for (const auto& step : Steps()) {
            CC_TRY((this->*step.run)());
            if (step.name == kBootStep)
                phases_.MarkBoot(step.name, agent_);
            else
                phases_.Mark(step.name, step.phase);
            CC_TRY(interrupt_.Check());
            if (step.name == request_.kill_after) ::raise(SIGKILL);
            if (step.name == request_.fail_after)
                return Fail(Cat("stopped after the step '", step.name, "', as --fail-after asked"));
        }
        return {};
    };
    auto done = run();
    if (!done) {
        // An interrupt shows first as the failure of what it ended.
        if (auto interrupted = interrupt_.Check(); !interrupted) done = interrupted;
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

Result<void> Creation::Validate() {
    CC_TRY(CheckId(request_.id));
    CC_ASSIGN(bundle_, LoadBundle(request_.bundle));
    const OciSpec& spec = bundle_.spec;
    CC_TRY(CheckPodRole(spec));
    for (const auto& setting : WithoutEffect(*spec.document))
        Log(LogLevel::kWarn, "a setting has no effect in a virtual machine",
            {{"container", request_.id}, {"setting", setting}});
    CC_TRY(CheckConsole(request_.console, spec.process->terminal));
    CC_ASSIGN(share_, PlanShare(bundle_, request_.id));
    CC_TRY(CheckSources(share_));
    CC_TRY(NewContainerMessage(spec, request_.id, share_));  // only to learn whether it fits
    CC_ASSIGN(limits_, Context("linux.resources", CgroupValuesOf(spec.Resources())));
    memory_limit_ = MemoryLimitOf(spec.Resources());
    config_.memory_mib = PlanVmMemory(config_, memory_limit_, HostMemoryMib(), emulated_).guest_mib;
    CC_TRY(OpenNetwork());
    CC_ASSIGN(self_, SelfPath());
    CC_ASSIGN(hypervisor_, FindHypervisor(config_));
    CC_ASSIGN(guest_, FindGuest(config_, ShareDirectories(self_)));
    sandbox_ = PlanSandbox(config_, store_.root(), request_.id);
    CC_TRY(PlanCgroups());
    sandbox_.proxy_executable = config_.proxy_path.empty() ? self_ : config_.proxy_path;
    sandbox_.proxy_ksm = config_.proxy_ksm;
    sandbox_.proxy_log_level = config_.proxy_debug || request_.debug ? "debug" : "warn";
    return {};
}

Result<void> Creation::PlanCgroups() {
    std::string path = bundle_.spec.cgroups_path;
    if (request_.systemd_cgroup) {
        CC_TRY(CheckSystemd());
        CC_ASSIGN(scope_, PlanScope(path, request_.id));
        path = scope_.path;
    }
    const std::string vm_name = Cat("cc-vm-", sandbox_.vm_name);
    vm_scope_ = ScopeBeside(scope_, vm_name);
    CC_ASSIGN(const std::string mounts, ReadFile("/proc/self/mountinfo", kMaxMountinfo));
    CC_ASSIGN(cgroup_, PlanCgroup(mounts, path));
    vm_cgroup_ = PlanBeside(cgroup_, vm_scope_.unit.empty() ? vm_name : vm_scope_.unit);
    return {};
}

Result<void> Creation::OpenNetwork() {
    const OciNamespace* network = bundle_.spec.Namespace("network");
    new_network_ = network != nullptr && network->path.empty();
    if (network == nullptr)
        Log(LogLevel::kInfo,
            "no network namespace is asked for; the virtual machine does not get the host's "
            "network",
            {{"container", request_.id}});
    if (network == nullptr || new_network_) return {};
    CC_ASSIGN(network_, OpenNetworkNamespace(network->path));
    return {};
}

Result<void> Creation::RecordIntent() {
    const OciSpec& spec = bundle_.spec;
    undo_.Push([this] {
        if (hooks_begun_)
            RunHooksAnyway(*bundle_.spec.document, "poststop", container_, Status::kStopped);
    });
    CC_ASSIGN(container_lock_, store_.MakeContainer(request_.id));
    undo_.Push([this] { LogFailure("removing state", store_.RemoveContainer(request_.id)); });
    CC_ASSIGN(sandbox_lock_, store_.MakeSandbox(sandbox_.id));
    undo_.Push([this] { LogFailure("removing state", store_.RemoveSandbox(sandbox_.id)); });
    container_.id = request_.id;
    container_.sandbox_id = sandbox_.id;
    container_.oci_version = spec.version;
    container_.bundle = bundle_.directory;
    container_.rootfs = bundle_.rootfs;
    container_.created = NowRfc3339();
    container_.annotations = spec.annotations;
    container_.terminal = spec.process->terminal;
    container_.creator = Identify(::getpid());
    container_.cgroups = cgroup_.Leaves();
    // Before they are made: what is recorded and missing harms nobody.
    container_.cgroups_created =
        request_.systemd_cgroup ? MissingBesideScope(cgroup_) : MissingDirectories(cgroup_);
    container_.scope = scope_.unit;
    sandbox_.cgroups = vm_cgroup_.Leaves();
    sandbox_.cgroups_created =
        request_.systemd_cgroup ? MissingBesideScope(vm_cgroup_) : MissingDirectories(vm_cgroup_);
    sandbox_.scope = vm_scope_.unit;
    CC_TRY(store_.Save(sandbox_));
    CC_TRY(store_.Save(container_));
    // The terminal that `run` was called on has a size, which its shim could tell only later.
    const OciProcess& process = *spec.process;
    const auto size = TerminalSize(STDIN_FILENO);
    const bool add_size = process.terminal && !request_.console.detach && process.rows == 0 && size;
    if (add_size) {
        bundle_.text = ConfigWithConsoleSize(spec, size->rows, size->columns);
        CC_ASSIGN(bundle_.spec, ParseSpec(bundle_.text));
    }
    CC_TRY(store_.SaveConfig(request_.id, bundle_.text));
    // Left over from a creation that was killed together with its state.
    CC_TRY(StopVm(sandbox_));
    CC_TRY(RemoveTree(sandbox_.vm_directory));
    CC_TRY(MakeDirectories(sandbox_.vm_directory, 0700));
    undo_.Push(
        [this] { LogFailure("removing the VM's directory", RemoveTree(sandbox_.vm_directory)); });
    return {};
}

Result<void> Creation::MakeCgroups() {
    undo_.Push([this] {
        LogFailure("ending a scope", EndScope(sandbox_.scope));
        LogFailure("ending a scope", EndScope(container_.scope));
        RemoveCgroups(sandbox_.cgroups_created);
        RemoveCgroups(container_.cgroups_created);
    });
    if (request_.systemd_cgroup) return {};  // a scope begins with its first process
    const auto controllers = ControllersOf(limits_);
    CC_TRY(MakeCgroup(cgroup_, controllers));
    CC_TRY(MakeCgroup(vm_cgroup_, controllers));
    return Context("linux.resources", LimitShim(container_, limits_));
}

// In the process that shall be in it.
Result<void> Creation::EnterCgroup(const CgroupPlan& cgroup, const ScopePlan& scope) const {
    return request_.systemd_cgroup ? EnterScope(scope, cgroup, 0) : JoinCgroups(cgroup.Leaves(), 0);
}

Result<void> Creation::ForkShim() {
    const OciProcess& process = *bundle_.spec.process;
    CC_ASSIGN(const Fd console, OpenConsole(request_.console, static_cast<int>(process.rows),
                                            static_cast<int>(process.columns)));
    ShimOptions options;
    options.executable = config_.shim_path.empty() ? self_ : config_.shim_path;
    options.container_id = request_.id;
    options.title = process.args;
    options.terminal = process.terminal;
    options.debug = request_.debug || config_.shim_debug;
    options.console = console.get();
    options.network_namespace = network_.get();
    options.new_network = new_network_;
    options.enter_cgroup = [this] { return EnterCgroup(cgroup_, scope_); };
    options.enter_root = [this] { return EnterContainerRoot(bundle_.spec, share_); };
    CC_ASSIGN(shim_, Shim::Fork(options));
    undo_.Push([this] { shim_->Kill(); });
    container_.shim = Identify(shim_->process().pid());
    if (request_.systemd_cgroup) CC_TRY(Context("linux.resources", LimitShim(container_, limits_)));
    return store_.Save(container_);
}

Result<void> Creation::RunCreateHooks() {
    hooks_begun_ = true;
    for (const auto stage : {"prestart", "createRuntime", "createContainer"})
        CC_TRY(RunHooks(*bundle_.spec.document, stage, container_, Status::kCreating));
    return {};
}

Result<void> Creation::StartVm() {
    if (new_network_) {
        CC_ASSIGN(network_, NetworkNamespaceOf(shim_->process().pid()));
    }
    undo_.Push([this] { LogFailure("ending the VM", StopVm(sandbox_)); });
    const auto enter = [this]() -> Result<void> {
        CC_TRY(EnterCgroup(vm_cgroup_, vm_scope_));
        if (network_ && ::setns(network_.get(), CLONE_NEWNET) < 0)
            return FailErrno("entering the network namespace");
        return {};
    };
    CC_ASSIGN(
        const KeeperHandle keeper,
        Context("starting the virtual machine",
                StartKeeper(self_, MakeVmConfig(config_, guest_, hypervisor_, sandbox_), enter)));
    emulated_ = keeper.status.acceleration == "tcg";
    interrupt_.Watch(keeper.process.pid());
    sandbox_.keeper = {keeper.process.pid(), keeper.start_time};
    sandbox_.vmm = Identify(static_cast<pid_t>(keeper.status.vmm_pid));
    Log(LogLevel::kInfo, "virtual machine started",
        {{"sandbox", sandbox_.id},
         {"acceleration", keeper.status.acceleration},
         {"reason", keeper.status.acceleration_reason}});
    return store_.Save(sandbox_);
}

Result<void> Creation::ConnectProxy() {
    CC_ASSIGN(proxy_, ProxyClient::Connect(ProxyOf(sandbox_)));
    return {};
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
    const VmMemory memory = PlanVmMemory(config_, memory_limit_, HostMemoryMib(), emulated_);
    return Context("linux.resources", LimitVm(sandbox_, limits_, memory.host_bytes));
}

Result<void> Creation::StartPod() {
    cc::StartPod pod;
    pod.hostname = sandbox_.id;
    pod.share_dir = kShareTag;
    CC_TRY(Context("preparing the guest", CallAgent(*proxy_, ControlCode::kStartPod, Encode(pod))));
    return {};
}

Result<void> Creation::ShareFiles() {
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    for (const auto& item : share_.items) {
        CC_ASSIGN(const Fd mount, CloneMount(item));
        CC_TRY(Context(Cat("sharing the ", item.what, ", ", item.source),
                       vm.ShareAdd(item.name, mount)));
    }
    return {};
}

Result<void> Creation::AttachShim() {
    CC_ASSIGN(const IoResponse io,
              proxy_->AttachVm({sandbox_.vm_name, 1}, kAgentDeadline, shim_->connection()));
    if (io.tokens.size() != 1)
        return Fail("attaching to the virtual machine: cc-proxy gave no token");
    container_.token = io.tokens[0];
    return shim_->Tell({.token = container_.token,
                        .uri = io.url,
                        .proxy_executable = sandbox_.proxy_executable,
                        .proxy_log_level = sandbox_.proxy_log_level,
                        .proxy_ksm = sandbox_.proxy_ksm,
                        .connected = io.connection});
}

Result<void> Creation::MakeContainer() {
    if (!agent_ || agent_->extension < kHoldExtension) return {};
    CC_ASSIGN(const std::string message,
              NewContainerMessage(bundle_.spec, request_.id, share_,
                                  HookState(container_, Status::kCreated, kFirstPid), true));
    CC_TRY(CallAgent(*proxy_, ControlCode::kNewContainer, message, container_.token));
    container_.held = true;
    container_.token.clear();
    return {};
}

Result<void> Creation::RecordCreated() {
    container_.status = Status::kCreated;
    container_.creator = {};
    return store_.Save(container_);
}

Result<void> Creation::WritePidFile() {
    if (request_.pid_file.empty()) return {};
    undo_.Push([this] { ::unlink(request_.pid_file.c_str()); });
    return Context("pid file",
                   WriteFileAtomic(request_.pid_file, std::to_string(container_.shim.pid), 0644));
}

}  // namespace cc::runtime

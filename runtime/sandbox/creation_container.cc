// SPDX-License-Identifier: Apache-2.0
// Steps of creation that are about the container alone, wherever its sandbox comes from.
#include <unistd.h>

#include "base/cgroup_writes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mount_namespace.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "runtime/clock.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "runtime/oci/without_effect.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/sandbox/creation.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/sandbox/limits.h"
#include "runtime/sandbox/namespace_paths.h"
#include "runtime/sandbox/shim_root.h"
#include "runtime/storage/detached_mount.h"

namespace cc::runtime {

namespace {
constexpr size_t kMaxMountinfo = 64 << 20;
}

// Touches nothing, as ReadBundle before it.
Result<void> Creation::PlanContainer() {
    const OciSpec& spec = bundle_.spec;
    for (const auto& setting : WithoutEffect(*spec.document, owners_))
        Log(LogLevel::kWarn, "a setting has no effect in a virtual machine",
            {{"container", request_.id}, {"setting", setting}});
    CC_TRY(CheckConsole(request_.console, spec.process->terminal));
    CC_ASSIGN(share_, PlanShare(bundle_, request_.id));
    CC_TRY(CheckSources(share_));
    CC_TRY(PlanDisks());
    CC_TRY(CheckNamespacePaths(spec.namespaces, owners_));
    CC_TRY(NewContainerMessage(spec, request_.id, share_));  // only to learn whether it fits
    CC_TRY(PlanContainerCgroup());
    CC_ASSIGN(limits_, Context("linux.resources", CgroupValuesOf(spec.Resources())));
    CC_ASSIGN(device_rules_, Context("linux.resources", DeviceRuleTexts(spec.Resources())));
    CC_ASSIGN(self_, SelfPath());
    return OpenNetwork();
}

Result<void> Creation::PlanContainerCgroup() {
    std::string path = bundle_.spec.cgroups_path;
    if (request_.systemd_cgroup) {
        CC_TRY(CheckSystemd());
        CC_ASSIGN(scope_, PlanScope(path, request_.id));
        path = scope_.path;
    }
    CC_ASSIGN(const std::string mounts, ReadFile("/proc/self/mountinfo", kMaxMountinfo));
    CC_ASSIGN(cgroup_, PlanCgroup(mounts, path));
    return {};
}

Result<void> Creation::EnterContainerCgroup() const {
    return request_.systemd_cgroup ? EnterScope(scope_, cgroup_, 0)
                                   : JoinCgroups(cgroup_.Leaves(), 0);
}

// A VM that is below the container's cgroup boots without the limits that would slow it down, as
// one beside it does.
Result<void> Creation::LimitContainer(bool vm_is_up) {
    const bool later = !vm_cgroup_.below.hierarchies.empty();
    std::vector<CgroupValue> now;
    for (const auto& value : limits_)
        if ((later && ConcernsVm(value)) == vm_is_up) now.push_back(value);
    CgroupWrites made;  // undone with the cgroup itself
    return Context("linux.resources", LimitShim(container_, now, made));
}

Result<void> Creation::ClaimId() {
    undo_.Push([this] {
        if (hooks_begun_)
            RunHooksAnyway(*bundle_.spec.document, "poststop", container_, Status::kStopped);
    });
    CC_ASSIGN(container_lock_, store_.MakeContainer(request_.id));
    undo_.Push([this] { LogFailure("removing state", store_.RemoveContainer(request_.id)); });
    return {};
}

Result<void> Creation::RecordContainer() {
    const OciSpec& spec = bundle_.spec;
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
    CC_TRY(store_.Save(container_));
    // The terminal that `run` was called on has a size, which its shim could tell only later.
    const OciProcess& process = *spec.process;
    const auto size = TerminalSize(STDIN_FILENO);
    const bool add_size = process.terminal && !request_.console.detach && process.rows == 0 && size;
    if (add_size) {
        bundle_.text = ConfigWithConsoleSize(spec, size->rows, size->columns);
        CC_ASSIGN(bundle_.spec, ParseSpec(bundle_.text));
    }
    return store_.SaveConfig(request_.id, bundle_.text);
}

Result<void> Creation::MakeContainerCgroup() {
    undo_.Push([this] {
        LogFailure("ending a scope", EndScope(container_.scope));
        RemoveCgroups(container_.cgroups_created);
    });
    if (request_.systemd_cgroup) return {};  // a scope begins with its first process
    CC_TRY(MakeCgroup(cgroup_, ControllersOf(limits_)));
    ListDeviceRules(container_.cgroups, container_.cgroups_created, device_rules_);
    return LimitContainer(false);
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
    // Job control compares process groups by number, and our group, in which a shim on our own
    // terminal is, has none in another pid namespace.
    options.new_pids = console || ::isatty(STDIN_FILENO) == 0;
    options.enter_cgroup = [this] { return EnterContainerCgroup(); };
    options.enter_root = [this] {
        return EnterContainerRoot(bundle_.spec, share_, block_root_.has_value());
    };
    CC_ASSIGN(shim_, Shim::Fork(options));
    undo_.Push([this] { shim_->Kill(); });
    container_.shim = Identify(shim_->process().pid());
    if (request_.systemd_cgroup) CC_TRY(LimitContainer(false));
    return store_.Save(container_);
}

Result<void> Creation::ConnectProxy() {
    CC_ASSIGN(proxy_, ProxyClient::Connect(ProxyOf(sandbox_)));
    return {};
}

// With what hooks have mounted there.
Result<Fd> Creation::CloneForShare(const ShareItem& item) const {
    if (!hook_mounts_) return CloneMount(item);
    Fd tree;
    CC_TRY(RunInMountNamespace(hook_mounts_.get(), [&]() -> Result<void> {
        CC_ASSIGN(tree, CloneMount(item));
        return {};
    }));
    return tree;
}

Result<void> Creation::ShareFiles() {
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    for (const auto& item : share_.items)
        if (&item != &share_.items.front() || !root_device_) CC_TRY(ShareOne(vm, item));
    hook_mounts_.Reset();
    return {};
}

Result<void> Creation::ShareOne(VmClient& vm, const ShareItem& item) const {
    CC_ASSIGN(const Fd mount, CloneForShare(item));
    return Context(Cat("sharing the ", item.what, ", ", item.source),
                   vm.ShareAdd(item.name, mount));
}

Result<void> Creation::AttachShim() {
    CC_ASSIGN(const IoResponse io,
              proxy_->AttachVm({sandbox_.vm_name, 1}, kAgentDeadline, shim_->connection()));
    if (io.tokens.size() != 1)
        return Fail("attaching to the virtual machine: cc-proxy gave no token");
    container_.token = io.tokens[0];
    if (!agent_) agent_ = io.agent;
    return shim_->Tell({.token = container_.token,
                        .uri = io.url,
                        .keeper = Cat(sandbox_.vm_directory, "/", kVerbSocketName),
                        .proxy_executable = sandbox_.proxy_executable,
                        .proxy_log_level = sandbox_.proxy_log_level,
                        .proxy_ksm = sandbox_.proxy_ksm,
                        .connected = io.connection,
                        .memory_cgroup = MemoryLeaf(container_.cgroups)});
}

Result<void> Creation::MakeContainer() {
    CC_ASSIGN(auto seccomp, seccomp_.get());
    if (!agent_ || agent_->extension < kHoldExtension) return {};
    GuestDetails details{.hook_state = HookState(container_, Status::kCreated, kFirstPid),
                         .hold = true,
                         .disks = guest_disks_};
    if (agent_->extension >= kSeccompExtension) details.seccomp = std::move(seccomp);
    if (awaited_size_) {
        details.memory_mib = awaited_size_->memory_mib;
        details.cpus = awaited_size_->cpus;
    }
    CC_ASSIGN(const std::string message,
              NewContainerMessage(bundle_.spec, request_.id, share_, owners_, details));
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

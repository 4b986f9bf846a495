// SPDX-License-Identifier: Apache-2.0
// Making a container: a list of steps, each with its undo. A failure at any of them leaves nothing
// of those before. There are two lists: with a sandbox of its own (creation.cc), and into a sandbox
// that is there (creation_join.cc). Steps that are about the container alone are in both
// (creation_container.cc). Where hooks make nothing but the network, the first list is done in
// another order (creation_hooks.cc).
#pragma once

#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/undo.h"
#include "client/proxy_client.h"
#include "client/vm_client.h"
#include "protocol/agent_messages.h"
#include "runtime/config.h"
#include "runtime/guest_files.h"
#include "runtime/network/sandbox_network.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/guest_message.h"
#include "runtime/sandbox/cgroup.h"
#include "runtime/sandbox/cgroup_values.h"
#include "runtime/sandbox/console.h"
#include "runtime/sandbox/device_rules.h"
#include "runtime/sandbox/growth.h"
#include "runtime/sandbox/interrupt.h"
#include "runtime/sandbox/phases.h"
#include "runtime/sandbox/pod.h"
#include "runtime/sandbox/scope.h"
#include "runtime/sandbox/shim_process.h"
#include "runtime/sandbox/vm_cgroup.h"
#include "runtime/state/store.h"
#include "runtime/storage/block_devices.h"
#include "runtime/storage/block_root.h"
#include "runtime/storage/share_plan.h"

namespace cc::runtime {

struct CreateRequest {
    std::string id;
    std::string bundle;
    std::string pid_file;
    ConsoleOptions console;
    bool debug = false;
    bool systemd_cgroup = false;
    // For tests: the step after which creation fails, or this process is killed.
    std::string fail_after, kill_after;
};

class Creation {
  public:
    Creation(CreateRequest request, RuntimeConfig config, Store store, Phases& phases);

    // On success the container is created, its shim waits for `start`.
    Result<void> Run();
    static std::vector<std::string_view> StepNames();      // of those that make a sandbox
    static std::vector<std::string_view> JoinStepNames();  // of those that join

    const ContainerRecord& container() const { return container_; }
    const SandboxRecord& sandbox() const { return sandbox_; }
    const Process& shim() const { return shim_->process(); }

  private:
    struct Step {
        std::string_view name;
        std::string_view phase;  // of Phases
        Result<void> (Creation::*run)();
    };
    static const std::vector<Step>& SandboxSteps();
    static const std::vector<Step>& JoinSteps();
    static std::vector<Step> SandboxSteps(std::string_view first, std::string_view last);
    // Of a sandbox whose hooks make nothing but the network, and those that are done meanwhile.
    static const std::vector<Step>& NetworkHookSteps();
    static const std::vector<Step>& BesideHookSteps();

    // Which container, and by that which list.
    Result<void> ReadBundle();
    Result<const std::vector<Step>*> ChooseSteps() const;
    Result<void> RunSteps(const std::vector<Step>& steps);
    static void LogFailure(std::string_view what, const Result<void>& result);

    // With a sandbox of its own.
    Result<void> PlanOwnSandbox();
    Result<void> RecordSandbox();
    Result<void> ReadNetwork();
    Result<void> ConnectLate();
    Result<void> StartVm();
    Result<void> BootGuest();
    Result<void> SetVmLimits();
    Result<void> StartPod();
    // Into one that is there.
    Result<void> FindSandbox();
    Result<void> RecordJoin();
    Result<void> GrowForAll();
    Result<void> ShareInto();
    Result<void> MakeInside();
    // In both.
    Result<void> MakeContainerCgroup();
    Result<void> ForkShim();
    Result<void> RunCreateHooks();
    Result<void> RunHooksBeside();
    Result<void> TakeRoot();
    Result<void> ConnectProxy();
    Result<Fd> CloneForShare(const ShareItem& item) const;
    Result<void> ShareFiles();
    Result<void> AttachShim();
    Result<void> PlugDisks();
    Result<void> MakeContainer();
    Result<void> RecordCreated();
    Result<void> WritePidFile();
    // Parts of steps.
    void BeginHooks();
    Result<void> PlanContainer();
    Result<void> PlanDisks();
    Result<void> CheckDevices() const;
    void LogNoBlockRoot(const std::string& why) const;
    Result<void> ReturnRoot();
    Result<void> ShareRootInstead(VmClient& vm, const std::string& why);
    Result<void> PlugRoot(VmClient& vm);
    Result<void> ShareOne(VmClient& vm, const ShareItem& item) const;
    Result<void> OpenNetwork();
    Result<void> TakeDevices();
    bool FollowsNetwork() const;
    Result<void> TellNetwork(cc::StartPod& pod) const;
    Result<void> RecordNetwork();
    Result<void> ConnectNetwork() const;
    Result<void> FollowNetwork();
    Result<void> PlanContainerCgroup();
    Result<void> EnterContainerCgroup() const;
    Result<void> LimitContainer(bool vm_is_up);
    Result<void> ClaimId();
    Result<void> RecordContainer();

    CreateRequest request_;
    RuntimeConfig config_;
    Store store_;
    Phases& phases_;
    InterruptGuard interrupt_;

    Bundle bundle_;
    PodRole role_;
    NamespaceOwners owners_;
    GuestFiles guest_;
    std::string hypervisor_;
    FileServerConfig file_server_;
    std::string self_;  // this program
    SharePlan share_;
    std::vector<BlockDevice> block_devices_;
    std::optional<BlockRoot> block_root_;  // of a root that is not shared
    Fd root_device_;                       // its device, once it is taken
    GuestDisks guest_disks_;
    std::future<Result<std::optional<SeccompFilter>>> seccomp_;  // while it is made
    CgroupPlan cgroup_;
    ScopePlan scope_;
    VmCgroup vm_cgroup_;
    std::vector<CgroupValue> limits_, vm_limits_;
    std::vector<DeviceRuleText> device_rules_;
    Limits vm_for_;  // of the container, or of the pod
    VmSize vm_size_;
    std::optional<VmSize> awaited_size_;  // that the VM has grown to, for a container that joins
    VmOrigin origin_ = VmOrigin::kBoot;
    bool emulated_ = false;
    Fd network_;  // its namespace: one that is there, or the shim's new one
    NetworkPlan network_plan_;
    bool new_network_ = false;
    bool network_later_ = false;     // by hooks that run beside the steps
    bool network_expected_ = false;  // from them
    Fd hook_mounts_;  // the mount namespace of createContainer hooks, until the share has its
                      // mounts
    bool hooks_begun_ = false;  // poststop hooks have something to undo
    std::optional<FileLock> container_lock_, sandbox_lock_;
    ContainerRecord container_;
    SandboxRecord sandbox_;
    std::optional<Shim> shim_;
    std::optional<ProxyClient> proxy_;
    std::optional<AgentInfo> agent_;
    // Last, so that it runs before what it uses goes.
    Undo undo_;
};

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/vm.h"

#include <algorithm>

#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "client/vm_client.h"

namespace cc::runtime {

namespace {

constexpr std::chrono::milliseconds kKeeperDeadline{10000};  // to end by itself after `stop`
constexpr std::chrono::milliseconds kVmmDeadline{2000};      // after its keeper has gone
constexpr std::chrono::milliseconds kKillDeadline{
    10000};  // a killed process that does not end hangs in the kernel
constexpr size_t kShownId = 40;

std::string Hash(const std::string& root, const std::string& id) {
    const uint64_t hash = Fnv1a64(Cat(root, "\n", id));
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(hash >> shift & 0xff));
    return HexEncode(bytes);
}

// Also finds a keeper that was not recorded, because the command that started it was killed.
SandboxRecord AskWho(SandboxRecord sandbox) {
    if (sandbox.keeper.pid != 0) return sandbox;
    auto client = VmClient::Connect(sandbox.vm_directory);
    if (!client) return sandbox;
    const auto status = client->Status();
    if (!status) return sandbox;
    sandbox.keeper = Identify(static_cast<pid_t>(status->keeper_pid));
    sandbox.vmm = Identify(static_cast<pid_t>(status->vmm_pid));
    return sandbox;
}

}  // namespace

SandboxRecord PlanSandbox(const RuntimeConfig& config, const std::string& root,
                          const std::string& id) {
    SandboxRecord sandbox;
    const std::string hash = Hash(root, id);
    sandbox.id = id;
    sandbox.vm_name = Cat(id.substr(0, kShownId), "-", hash);
    sandbox.vm_directory = Cat(config.run_dir, "/vm/", hash);
    sandbox.proxy_socket = config.ProxySocket();
    return sandbox;
}

VmAssets AssetsOf(const std::string& hypervisor, const GuestFiles& guest) {
    return {.hypervisor = {hypervisor},
            .kernel = {guest.kernel, guest.kernel_chosen},
            .image = {guest.root(), guest.root_chosen}};
}

VmConfig MakeVmConfig(const RuntimeConfig& config, const GuestFiles& guest,
                      const std::string& hypervisor, const SandboxRecord& sandbox) {
    VmConfig vm;
    vm.name = sandbox.vm_name;
    vm.directory = sandbox.vm_directory;
    vm.machine = config.machine;
    vm.acceleration = config.acceleration;
    vm.hypervisor = hypervisor;
    vm.kernel = guest.kernel;
    vm.image = guest.image;
    vm.initrd = guest.initrd;
    vm.firmware = config.firmware;
    vm.kernel_params = config.kernel_params;
    vm.machine_accelerators = config.machine_accelerators;
    vm.vcpus = config.vcpus;
    vm.memory_mib = config.memory_mib;
    vm.mem_prealloc = config.mem_prealloc;
    vm.hugepages = config.hugepages;
    vm.reclaim_freed_memory =
        config.reclaim_freed_memory && !config.mem_prealloc && !config.hugepages;
    vm.nic = config.network;
    vm.shared_fs = config.shared_fs;
    vm.vhost_net = !config.disable_vhost_net;
    vm.debug = config.hypervisor_debug;
    return vm;
}

int64_t HostAvailableMib() {
    const std::string text = ReadFile("/proc/meminfo", 64 << 10).value_or("");
    constexpr std::string_view key = "MemAvailable:";
    const size_t at = text.find(key);
    if (at == std::string::npos) return 0;
    const auto line = Split(Trim(std::string_view(text).substr(at + key.size(), 32)), ' ');
    return ParseNumber<int64_t>(line.front()).value_or(0) / 1024;
}

Result<void> EndProcess(const ProcessId& id, std::chrono::milliseconds patience,
                        std::string_view what) {
    if (id.pid <= 0) return {};
    // A zombie of ours has no start time to compare any more; reaping it is all there is to do.
    if (const auto process = Process::Find(id.pid, id.start_time)) {
        CC_ASSIGN(bool ended, process->WaitEnd(patience));
        if (!ended) {
            CC_TRY(process->Signal(SIGKILL));
            CC_ASSIGN(ended, process->WaitEnd(kKillDeadline));
        }
        if (!ended)
            return Fail(Cat(what, " (process ", id.pid, ") did not end within ",
                            kKillDeadline.count() / 1000, " s of being killed"),
                        ETIMEDOUT);
    }
    ::waitpid(id.pid, nullptr, WNOHANG);
    return {};
}

Result<void> StopVm(const SandboxRecord& recorded) {
    const SandboxRecord sandbox = AskWho(recorded);
    std::chrono::milliseconds patience{0};
    if (IsAlive(sandbox.keeper)) {
        auto client = VmClient::Connect(sandbox.vm_directory);
        auto stopped = client ? client->Stop() : Result<void>(Failure(client.error()));
        if (stopped)
            patience = kKeeperDeadline;
        else
            Log(LogLevel::kDebug, "the VM's keeper is killed", {{"why", stopped.error().message}});
    }
    CC_TRY(EndProcess(sandbox.keeper, patience, "the keeper of the virtual machine"));
    // Its parent's end kills it.
    return EndProcess(sandbox.vmm, kVmmDeadline, "the virtual machine");
}

Result<void> KillVm(const SandboxRecord& recorded) {
    const SandboxRecord sandbox = AskWho(recorded);
    if (const auto vmm = Process::Find(sandbox.vmm.pid, sandbox.vmm.start_time))
        CC_TRY(vmm->Signal(SIGKILL));
    CC_TRY(EndProcess(sandbox.keeper, kKeeperDeadline, "the keeper of the virtual machine"));
    return EndProcess(sandbox.vmm, kVmmDeadline, "the virtual machine");
}

Result<void> ClearVmDirectory(const SandboxRecord& sandbox) {
    CC_TRY(StopVm(sandbox));
    CC_TRY(RemoveTree(sandbox.vm_directory));
    return MakeDirectories(sandbox.vm_directory, 0700);
}

}  // namespace cc::runtime

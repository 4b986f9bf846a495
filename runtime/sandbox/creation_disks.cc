// SPDX-License-Identifier: Apache-2.0
// Steps of creation that are about block devices: those that the configuration names, and one that
// the root file system is on.
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "client/vm_client.h"
#include "protocol/disk.h"
#include "protocol/oci_hooks.h"
#include "runtime/sandbox/creation.h"
#include "runtime/sandbox/guest_container.h"
#include "runtime/sandbox/hooks.h"
#include "runtime/storage/detached_mount.h"

namespace cc::runtime {

namespace {
constexpr size_t kMaxMountTable = 64 << 20;
}

// Touches nothing. A machine that has no place for a disk gets the root as a directory.
Result<void> Creation::PlanDisks() {
    CC_ASSIGN(block_devices_, PlanBlockDevices(bundle_.spec));
    CC_TRY(CheckDevices());
    CC_ASSIGN(const std::string mounts, ReadFile("/proc/self/mountinfo", kMaxMountTable));
    CC_ASSIGN(block_root_, FindBlockRoot(mounts, bundle_.rootfs));
    // What hooks mount in their own namespace is not on the device.
    CC_ASSIGN(const bool hooks, HasHooks(*bundle_.spec.document, kCreateContainer));
    if (config_.disable_block_devices || PlugPlaces(config_.machine) == 0 || hooks)
        block_root_.reset();
    return {};
}

Result<void> Creation::CheckDevices() const {
    if (block_devices_.empty()) return {};
    const std::string what =
        Cat("linux.devices: ", Quoted(block_devices_.front().path), " is a block device, and ");
    if (config_.disable_block_devices)
        return Fail(Cat(what,
                        "disable_block_device_use = true of configuration.toml keeps them from "
                        "virtual machines"));
    if (PlugPlaces(config_.machine) == 0)
        return Fail(Cat(what, "nothing can be plugged into a virtual machine of the type ",
                        Name(config_.machine),
                        "; with machine_type \"pc\" or \"q35\" of configuration.toml it can"));
    return {};
}

// Behind the hooks, which may write to it, and before the VM: its keeper would have a copy of the
// mount.
Result<void> Creation::TakeRoot() {
    if (!block_root_) return {};
    auto taken = TakeBlockRoot(*block_root_);
    if (!taken) {
        LogNoBlockRoot(taken.error().message);
        block_root_.reset();
        return {};
    }
    root_device_ = std::move(*taken);
    undo_.Push([this] { LogFailure("the root file system", ReturnRoot()); });
    return {};
}

void Creation::LogNoBlockRoot(const std::string& why) const {
    Log(LogLevel::kWarn, "the root file system is shared by 9p instead of given as a device",
        {{"container", request_.id}, {"source", block_root_->source}, {"why", why}});
}

Result<void> Creation::ReturnRoot() {
    if (!root_device_) return {};
    root_device_.Reset();
    return ReturnBlockRoot(*block_root_);
}

// Where no disk can be had.
Result<void> Creation::ShareRootInstead(VmClient& vm, const std::string& why) {
    LogNoBlockRoot(why);
    CC_TRY(ReturnRoot());
    block_root_.reset();
    return ShareOne(vm, share_.items.front());
}

Result<void> Creation::PlugRoot(VmClient& vm) {
    if (!root_device_) return {};
    if (agent_->extension < kDiskExtension)
        return ShareRootInstead(vm, "the agent in the guest's image is older than this program");
    const auto number = vm.AddDisk(request_.id, root_device_, block_root_->read_only);
    if (!number) return ShareRootInstead(vm, number.error().message);
    guest_disks_.root = GuestRoot{DiskName(*number), DiskSerial(*number),
                                  std::string(kBlockRootType), block_root_->options};
    return {};
}

Result<void> Creation::PlugDisks() {
    if (!root_device_ && block_devices_.empty()) return {};
    if (role_.joins()) undo_.Push([this] { TakeDisksBack(sandbox_, request_.id); });
    if (!block_devices_.empty() && (!agent_ || agent_->extension < kDiskExtension))
        return Fail(
            "linux.devices: the agent in the guest's image is older than this program and knows no "
            "block devices: install image and program of one version");
    CC_ASSIGN(VmClient vm, VmClient::Connect(sandbox_.vm_directory));
    for (auto& device : block_devices_) {
        CC_ASSIGN(const Fd opened, OpenForVm(device));
        CC_ASSIGN(const int number, Context(Cat("linux.devices: ", Quoted(device.path)),
                                            vm.AddDisk(request_.id, opened, device.read_only)));
        guest_disks_.devices.push_back(
            {DiskSerial(number), major(device.number), minor(device.number)});
    }
    return PlugRoot(vm);
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/machine.h"

#include <algorithm>
#include <array>

#include "vmm/kernel_line.h"
#include "vmm/qemu/layout.h"
#include "vmm/qemu/option.h"
#include "vmm/qemu/own.h"

namespace cc::qemu {

namespace {

// Bytes of translated code that emulation keeps, in MiB. A boot and a busy container fit; QEMU's
// default of 1 GiB lets one guest's process grow by that much.
constexpr int kTranslationMib = 64;
// Above the host's memory: room for the alignment of hot-plugged pieces and the root image (3.0
// adds the same).
constexpr int64_t kMemoryRoomMib = 1024;

// Properties that this program sets, or that name files on the host.
constexpr std::array<std::string_view, 13> kReservedProperties{
    "type", "accel",   "memory-backend", "nvdimm", "kernel", "initrd", "append",
    "dtb",  "dumpdtb", "firmware",       "memory", "smp",    "boot"};

bool PlainWord(std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

Result<void> AddAccelerators(Option& option, std::string_view accelerators) {
    if (accelerators.empty()) return {};
    for (const auto& pair : Split(accelerators, ',')) {
        const size_t equals = pair.find('=');
        const auto key = Trim(std::string_view(pair).substr(0, equals));
        const auto value =
            equals == std::string::npos ? "on" : Trim(std::string_view(pair).substr(equals + 1));
        if (!PlainWord(key) || !PlainWord(value))
            return Fail(
                Cat("machine_accelerators: ", Quoted(pair), " is not of the form name=value"));
        if (std::find(kReservedProperties.begin(), kReservedProperties.end(), key) !=
            kReservedProperties.end())
            return Fail(
                Cat("machine_accelerators: ", Quoted(key), " is not for the configuration to set"));
        option.Set(key, value);
    }
    return {};
}

}  // namespace

std::string_view RootBus(MachineType machine) {
    return machine == MachineType::kQ35 ? "pcie.0" : "pci.0";
}

std::string SlotName(int slot) {
    constexpr std::string_view digits = "0123456789abcdef";
    return Cat("0x", digits[static_cast<size_t>(slot) >> 4 & 15],
               digits[static_cast<size_t>(slot) & 15]);
}

Result<std::string> MachineOption(const VmConfig& config) {
    Option option(Name(config.machine));
    option.Set("memory-backend", "ram").Off("dump-guest-core").Off("usb").Off("graphics");
    switch (config.machine) {
        case MachineType::kPc:
            option.Off("vmport");
            break;
        case MachineType::kQ35:
            option.Off("vmport").Off("sata").Off("smbus");
            break;
        case MachineType::kMicrovm:
            // Without ACPI: with it the guest hangs at TSC calibration where no tsc_early_khz can
            // be given.
            option.Off("acpi").On("pit").On("pic").On("rtc").Off("pcie");
            option.Set("isa-serial", config.debug ? "on" : "off");
            break;
    }
    if (HasRootImage(config)) option.On("nvdimm");
    CC_TRY(AddAccelerators(option, config.machine_accelerators));
    return option.text();
}

std::string AcceleratorOption(const VmConfig& config, Acceleration acceleration, int translations) {
    if (acceleration == Acceleration::kKvm) return "kvm";
    Option option("tcg");
    option.Set("tb-size", kTranslationMib);
    if (config.origin != VmOrigin::kBoot && IsOwnQemu(config.hypervisor))
        option.Set(config.origin == VmOrigin::kTemplate ? "record-fd" : "archive-fd", translations);
    return option.text();
}

std::string CpuOption(const VmConfig& config, int64_t host_cpus) {
    const int64_t most = MostCpus(config.machine, config.vcpus, host_cpus);
    Option option;
    option.Set("cpus", config.vcpus)
        .Set("sockets", most)
        .Set("cores", 1)
        .Set("threads", 1)
        .Set("maxcpus", most);
    return option.text();
}

std::string MemoryOption(const VmConfig& config, const MachineFacts& facts) {
    Option option;
    option.Set("size", Cat(config.memory_mib, "M"));
    if (config.machine == MachineType::kMicrovm) return option.text();
    const int64_t image_mib = HasRootImage(config) ? (facts.image_bytes >> 20) + 1 : 0;
    const int64_t most =
        std::max(facts.host_memory_mib, config.memory_mib + image_mib) + kMemoryRoomMib;
    return option.Set("slots", kMemorySlots).Set("maxmem", Cat(most, "M")).text();
}

std::string MemoryBackend(const VmConfig& config, int memory) {
    const bool served = config.shared_fs == SharedFs::kVirtioFs;
    // The id, not the kind, is what a saved VM refers to. A template writes into the file, a clone
    // has a private view of it and writes to pages of its own; with a file server the file is a
    // copy.
    if (config.origin != VmOrigin::kBoot)
        return Option("memory-backend-file")
            .Set("id", "ram")
            .Set("size", Cat(config.memory_mib, "M"))
            .Set("mem-path", Cat("/proc/self/fd/", memory))
            .Set("share", config.origin == VmOrigin::kTemplate || served ? "on" : "off")
            .text();
    // Private and anonymous: the kernel may merge its pages with other VMs' and use huge ones.
    // Shared, its descriptor is what a program that serves a device is given.
    const bool shared = config.shared_memory || served;
    Option option(config.hugepages || shared ? "memory-backend-memfd" : "memory-backend-ram");
    option.Set("id", "ram").Set("size", Cat(config.memory_mib, "M"));
    if (shared) option.On("share");
    if (config.hugepages) option.On("hugetlb");
    // Huge pages that are not there shall be an error now, not a SIGBUS later.
    if (config.mem_prealloc || config.hugepages) option.On("prealloc");
    return option.text();
}

}  // namespace cc::qemu

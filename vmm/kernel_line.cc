// SPDX-License-Identifier: Apache-2.0
#include "vmm/kernel_line.h"

#include "base/text.h"

namespace cc {

namespace {
// COMMAND_LINE_SIZE of x86 less the final NUL, and room for what a machine adds (microvm: one
// virtio_mmio.device= of about 40 bytes for each of 8 devices).
constexpr size_t kMaxKernelLine = 2047 - 8 * 48;
}  // namespace

Result<std::string> KernelLine(const VmConfig& config, const KernelLineFacts& facts) {
    // Until the console's driver is up (a module, with Debian's kernel) the serial port speaks, so
    // that a panic is never silent; both end in the console log.
    std::vector<std::string> words{"console=hvc0", "earlyprintk=ttyS0",
                                   config.debug ? "loglevel=7" : "quiet"};
    // A guest that panics resets at once, by the one way that needs no device, and the VMM ends on
    // a reset.
    words.insert(words.end(), {"panic=-1", "reboot=t"});
    words.insert(words.end(), {"cgroup_no_v1=all", "random.trust_cpu=on", "no_timer_check"});
    // Debian's kernel would leave memory that is plugged in to a daemon.
    words.emplace_back("memhp_default_state=online");
    // Else a kernel that boots with one processor writes all its locks anew when the second comes:
    // half of the time that plugging one in takes.
    words.emplace_back("noreplace-smp");
    // Room for devices that cannot reach all of a large memory, which a machine gets that memory
    // may be plugged into: 32 MiB of 128. Ours reach all of it.
    words.emplace_back("swiotlb=noforce");
    // Debian's kernel tests each cipher at boot.
    words.emplace_back("cryptomgr.notests");
    // An emulated guest's time stamp counter is the host's. Told its rate, the kernel does not
    // spend the boot timing it against other clocks, which under emulation is slow and on microvm
    // without ACPI hangs (mini-os.md).
    if (facts.emulated && facts.tsc_khz > 0)
        words.insert(words.end(), {Cat("tsc_early_khz=", facts.tsc_khz), "tsc=reliable"});
    // QEMU's pc computes its interrupt routing table in a loop of ACPI code, anew for each device
    // that is enabled: 0.2 s of emulation each. Our devices signal by MSI and need no routing; the
    // rest of ACPI, hot-plug included, stays. Of cards some signal by a line (qemu/card.cc).
    if (facts.emulated && config.machine == MachineType::kPc && config.cards.empty() &&
        config.kernel_params.find("acpi=") == std::string::npos)
        words.emplace_back("acpi=noirq");
    if (HasRootImage(config))
        words.insert(words.end(),
                     {"root=/dev/pmem0", "rootfstype=erofs", "rootflags=dax=always", "ro"});
    // The agent mounts the share by it, and loads modules for it.
    if (config.shared_fs == SharedFs::kVirtioFs) words.emplace_back("agent.share=virtiofs");
    words.emplace_back("init=/init");
    if (!config.kernel_params.empty()) words.push_back(config.kernel_params);
    std::string line = Join(words, " ");
    if (line.size() > kMaxKernelLine)
        return Fail(Cat("the guest kernel's command line has ", line.size(), " bytes, at most ",
                        kMaxKernelLine, " are possible; shorten kernel_params"));
    return line;
}

}  // namespace cc

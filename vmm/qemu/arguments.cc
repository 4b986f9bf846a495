// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/arguments.h"

#include <algorithm>
#include <array>

#include "protocol/agent_frame.h"
#include "protocol/dns_frame.h"
#include "protocol/network.h"
#include "vmm/kernel_line.h"
#include "vmm/qemu/card.h"
#include "vmm/qemu/layout.h"
#include "vmm/qemu/machine.h"
#include "vmm/qemu/nic_plug.h"
#include "vmm/qemu/option.h"
#include "vmm/qemu/own.h"
#include "vmm/qemu/share_plug.h"

namespace cc::qemu {

namespace {

class Vector {
  public:
    explicit Vector(const VmConfig& config) : config_(config) {}

    void Add(std::string_view flag) { words_.emplace_back(flag); }
    void Add(std::string_view flag, std::string_view value) {
        words_.emplace_back(flag);
        words_.emplace_back(value);
    }
    void Add(std::string_view flag, const Option& option) { Add(flag, option.text()); }
    // A virtio device at its fixed place.
    void AddVirtio(std::string_view kind, std::string_view id, int slot,
                   const Option& extra = Option()) {
        const bool mmio = config_.machine == MachineType::kMicrovm;
        Option option(Cat("virtio-", kind, mmio ? "-device" : "-pci"));
        option.Set("id", id);
        if (mmio)
            option.Set("bus", Cat("virtio-mmio-bus.", slot - kSerialSlot));
        else
            option.Set("bus", RootBus(config_.machine)).Set("addr", SlotName(slot));
        Add("-device", Cat(option.text(), extra.text().empty() ? "" : ",", extra.text()));
    }
    void AddSocket(std::string_view id, int fd, bool listening) {
        Option option("socket");
        option.Set("id", id).Set("fd", fd);
        if (listening) option.On("server").Off("wait");
        Add("-chardev", option);
    }
    std::vector<std::string> Take() { return std::move(words_); }

  private:
    const VmConfig& config_;
    std::vector<std::string> words_;
};

void AddConfinement(Vector& to) {
    to.Add("-nodefaults");
    to.Add("-no-user-config");
    to.Add("-display", "none");
    // A guest's reset, a panic included, ends its VM.
    to.Add("-no-reboot");
    Option sandbox("on");
    for (const auto* what : {"obsolete", "elevateprivileges", "spawn", "resourcecontrol"})
        sandbox.Set(what, "deny");
    to.Add("-sandbox", sandbox);
}

void AddChannels(Vector& to, const Descriptors& descriptors) {
    to.AddSocket("control", descriptors.control, false);
    to.Add("-mon", Option().Set("chardev", "control").Set("mode", "control"));

    to.AddVirtio("serial", "serial0", kSerialSlot, Option().Set("max_ports", kSerialPorts));
    // The early kernel's serial port shares the console's descriptor.
    to.Add("-chardev",
           Option("socket").Set("id", "console").Set("fd", descriptors.console).On("mux"));
    const auto port = [](std::string_view driver, int number, std::string_view chardev) {
        return Option(driver).Set("bus", "serial0.0").Set("nr", number).Set("chardev", chardev);
    };
    to.Add("-device", port("virtconsole", kConsolePort, "console"));
    to.Add("-serial", "chardev:console");
    to.AddSocket("ctl", descriptors.ctl, true);
    to.Add("-device", port("virtserialport", kCtlPort, "ctl").Set("name", kControlPortName));
    to.AddSocket("io", descriptors.io, true);
    to.Add("-device", port("virtserialport", kIoPort, "io").Set("name", kIoPortName));
    to.AddSocket("dns", descriptors.dns, false);
    to.Add("-device", port("virtserialport", kDnsPort, "dns").Set("name", kDnsPortName));
}

// Only by what the guest has freed: nobody inflates it. A guest that clears memory when it frees it
// (init_on_free) counts on finding it so, which in a clone it would not: without page-poison such a
// kernel reports nothing.
void AddBalloon(Vector& to) {
    to.AddVirtio("balloon", "balloon0", kBalloonSlot,
                 Option().On("free-page-reporting").Off("page-poison"));
}

void AddShare(Vector& to, const VmConfig& config, Acceleration acceleration, int connection) {
    if (config.shared_fs == SharedFs::kVirtioFs) {
        const auto arguments =
            config.origin == VmOrigin::kBoot
                ? ServedShareArguments({config.machine, acceleration}, connection)
                : SharePortArguments(config.machine);
        for (const auto& [flag, value] : arguments)
            to.Add(flag, value);
        return;
    }
    // passthrough: files that the guest's root makes belong to whom the guest says. remap: the
    // share holds mounts of many file systems, whose inode numbers would collide in the one that
    // the guest sees.
    to.Add("-fsdev", Option("local")
                         .Set("id", "share")
                         .Set("path", Cat(config.directory, "/", kShareName))
                         .Set("security_model", "passthrough")
                         .Set("multidevs", "remap"));
    to.AddVirtio("9p", "share0", kShareSlot,
                 Option().Set("fsdev", "share").Set("mount_tag", kShareTag));
}

std::string Numbers(const std::vector<int>& all) {
    std::vector<std::string> texts;
    texts.reserve(all.size());
    for (const int number : all)
        texts.push_back(Cat(number));
    return Join(texts, ":");
}

// Nobody waits for its word that it has moved (as QEMU does for saved machines): it has been
// nowhere yet. No option ROM: no machine boots from it, and it would be saved and restored.
void AddNic(Vector& to, const VmConfig& config, const Descriptors& descriptors) {
    Option tap("tap");
    const auto& taps = descriptors.taps;
    const auto& vhosts = descriptors.vhosts;
    tap.Set("id", "net0").Set(taps.size() > 1 ? "fds" : "fd", Numbers(taps));
    if (vhosts.empty())
        tap.Off("vhost");
    else
        tap.On("vhost").Set(vhosts.size() > 1 ? "vhostfds" : "vhostfd", Numbers(vhosts));
    to.Add("-netdev", tap);
    Option device;
    device.Set("netdev", "net0").Set("mac", kNicAddress).Off("guest_announce");
    const bool pci = config.machine != MachineType::kMicrovm;
    if (pci) device.Set("romfile", "");
    if (taps.size() > 1) device.On("mq");
    if (pci && taps.size() > 1) device.Set("vectors", VectorsFor(taps.size()));
    to.AddVirtio("net", "nic0", kNicSlot, device);
}

void AddRootImage(Vector& to, const VmConfig& config, const MachineFacts& facts) {
    // Opened read-only and shared: all VMs of the host use the same pages and no guest can change
    // them.
    to.Add("-object", Option("memory-backend-file")
                          .Set("id", "image")
                          .On("share")
                          .On("readonly")
                          .Set("mem-path", config.image)
                          .Set("size", facts.image_bytes));
    to.Add("-device", Option("nvdimm").Set("id", "image0").Set("memdev", "image").On("unarmed"));
}

// Of Debian's packages qemu-system-data and seabios.
constexpr const char* kFirmwareDirectories[] = {"/usr/share/qemu", "/usr/share/seabios"};

// A processor with these two features is told to copy and clear memory by `rep movsb`, which is
// fast in hardware and a byte at a time in emulation; without them the kernel and the C libraries
// take words and vectors. Halves what container output costs, and takes an eighth off a boot of
// Debian's kernel.
const char* CpuModel(Acceleration acceleration) {
    return acceleration == Acceleration::kKvm ? "host" : "max,-erms,-fsrm";
}

}  // namespace

Result<std::vector<std::string>> Arguments(const VmConfig& config, const MachineFacts& facts,
                                           const Descriptors& descriptors) {
    CC_ASSIGN(const std::string machine, MachineOption(config));
    CC_ASSIGN(const std::string line,
              KernelLine(config, {.emulated = facts.acceleration == Acceleration::kTcg,
                                  .tsc_khz = facts.tsc_khz}));
    Vector out(config);
    out.Add("-name", Option().Set("guest", config.name));
    // Ours would look for them below where it lies.
    if (IsOwnQemu(config.hypervisor))
        for (const auto* directory : kFirmwareDirectories)
            out.Add("-L", directory);
    AddConfinement(out);
    out.Add("-machine", machine);
    out.Add("-accel", AcceleratorOption(config, facts.acceleration, descriptors.translations));
    out.Add("-cpu", CpuModel(facts.acceleration));
    out.Add("-smp", CpuOption(config, facts.host_cpus));
    out.Add("-m", MemoryOption(config, facts));
    out.Add("-object", MemoryBackend(config, descriptors.memory));
    if (config.machine == MachineType::kMicrovm)
        out.Add("-global", "virtio-mmio.force-legacy=false");
    AddChannels(out, descriptors);
    out.Add("-object", Option("rng-random").Set("id", "random").Set("filename", "/dev/urandom"));
    out.AddVirtio("rng", "rng0", kRngSlot, Option().Set("rng", "random"));
    if (config.reclaim_freed_memory) AddBalloon(out);
    AddShare(out, config, facts.acceleration, descriptors.files);
    if (config.nic) AddNic(out, config, descriptors);
    if (config.machine == MachineType::kQ35) {
        for (int i = 0; i < kRootPorts; ++i)
            out.Add("-device", Option("pcie-root-port")
                                   .Set("id", Cat("hotplug", i))
                                   .Set("bus", RootBus(config.machine))
                                   .Set("addr", Cat(SlotName(kRootPortSlot), ".", i))
                                   .Set("chassis", i + 1)
                                   .On("multifunction"));
    }
    if (config.generation_id) out.Add("-device", Option("vmgenid").Set("guid", "auto"));
    for (const Card& card : config.cards)
        for (const auto& [flag, value] : CardArguments({config.machine, facts.acceleration}, card))
            out.Add(flag, value);
    if (HasRootImage(config)) AddRootImage(out, config, facts);
    if (!facts.firmware.empty()) out.Add("-bios", facts.firmware);
    out.Add("-kernel", config.kernel);
    if (!config.initrd.empty()) out.Add("-initrd", config.initrd);
    out.Add("-append", line);
    // What it is restored from comes with QMP, after the capabilities that say how.
    if (config.origin == VmOrigin::kClone || config.origin == VmOrigin::kPooled)
        out.Add("-incoming", "defer");
    return out.Take();
}

}  // namespace cc::qemu

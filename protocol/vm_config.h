// SPDX-License-Identifier: Apache-2.0
// What a virtual machine shall be, in terms that hold for any engine. The runtime fills it in, the
// keeper (cc-vmm) reads it; only vmm/qemu/ turns it into QEMU's words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/card.h"

namespace cc {

enum class MachineType { kPc, kQ35, kMicrovm };
enum class Acceleration { kAuto, kKvm, kTcg };
// By what the shared directory reaches the guest.
enum class SharedFs {
    k9p,        // the VMM serves it itself
    kVirtioFs,  // a program of its own does, which the guest's memory is shared with
};

// How a VM begins, and what for.
enum class VmOrigin {
    kBoot,      // a guest that boots, for a sandbox
    kTemplate,  // boots, rehearses, is saved, and ends
    kClone,     // goes on where a template was saved, for a sandbox
    kPooled,    // likewise, rehearses once more and waits, paused, until it is adopted
};

// Names within VmConfig::directory.
constexpr std::string_view kCtlSocketName = "ctl.sock";  // agent control channel; cc-proxy connects
constexpr std::string_view kIoSocketName = "io.sock";    // agent I/O channel; cc-proxy connects
constexpr std::string_view kVerbSocketName = "vm.sock";  // the keeper's Vm verbs
// A file that is there while the VM is paused, beside the control socket: cc-proxy, which knows no
// more of a VM than its sockets, then lets no deadline of the guest's expire.
constexpr std::string_view kPausedFileName = "paused";
constexpr std::string_view kConsoleLogName =
    "console.log";  // what the guest's console printed, bounded
constexpr std::string_view kKeeperLogName = "vmm.log";
constexpr std::string_view kShareName = "share";  // root of the shared directory
// QEMU as vmm/qemu/own builds it; what it can do that others cannot is told by its file's name.
constexpr std::string_view kOwnQemuName = "cc-qemu";
// The share's mount tag (3.0's).
constexpr std::string_view kShareTag = "hyperShared";

// The program that serves the share by virtiofs.
struct FileServerConfig {
    std::string program;                 // path
    std::string cache = "auto";          // what the guest keeps: "auto", "always" or "none"
    std::vector<std::string> arguments;  // added after ours
    bool operator==(const FileServerConfig&) const = default;
};

struct VmConfig {
    std::string name;       // for people: QEMU's process title, logs
    std::string directory;  // the VM's own, 0700, made by the runtime; short, because socket paths
                            // lie in it
    MachineType machine = MachineType::kPc;
    Acceleration acceleration = Acceleration::kAuto;
    std::string hypervisor;  // path of the VMM program
    std::string kernel;
    std::string image;                 // root image for nvdimm, with its PFN header; empty: none
    std::string initrd;                // empty: none
    std::string firmware;              // empty: the engine's own
    std::string kernel_params;         // added after ours
    std::string machine_accelerators;  // added to the machine's options, as 3.0's key of that name
    int64_t vcpus = 1;
    int64_t memory_mib = 128;
    bool mem_prealloc = false;
    bool hugepages = false;
    // What the guest frees goes back to the host. Not with the two above, whose point is that the
    // memory is there.
    bool reclaim_freed_memory = false;
    bool nic = false;  // a network device, to be attached later (VmVerb::kAttachNetwork)
    // Beside that one, devices that are there from the start: neither taps nor macvtaps.
    std::vector<Card> cards;
    SharedFs shared_fs = SharedFs::k9p;
    FileServerConfig file_server;  // of kVirtioFs
    // Other programs of the host may map its memory: vhost-user networks need that. Only with
    // kBoot. With kVirtioFs they may in any case.
    bool shared_memory = false;
    bool vhost_net = false;  // with hardware acceleration the host's kernel carries its frames
    // A device by which the guest's kernel learns that it has been cloned (vmgenid); the firmware
    // must be one that can tell the device where its number lies.
    bool generation_id = false;
    VmOrigin origin = VmOrigin::kBoot;
    bool debug = false;                 // the guest's console is not quiet
    int64_t start_deadline_ms = 10000;  // from exec of the VMM until it answers its control socket
};
std::string Encode(const VmConfig& config);
Result<VmConfig> ParseVmConfig(std::string_view text);

// Network devices that such a machine can have: the one it begins with, and those for which it has
// room to be plugged in.
int MostNics(MachineType machine);
// Places for devices that are plugged into such a machine while it runs. Network devices take them
// from one end on, disks from the other.
int PlugPlaces(MachineType machine);
inline int PlaceOfNic(int number) {  // number: 1 and more; 0 has a place of its own
    return number - 1;
}
inline int PlaceOfDisk(MachineType machine, int number) {
    return PlugPlaces(machine) - 1 - number;
}
// Processors that a machine which begins with `cpus` can have, on a host that has so many.
int64_t MostCpus(MachineType machine, int64_t cpus, int64_t host_cpus);

std::string_view Name(MachineType machine);        // "pc", "q35", "microvm"
std::string_view Name(Acceleration acceleration);  // "auto", "kvm", "tcg"
std::string_view Name(VmOrigin origin);            // "boot", "template", "clone", "pooled"
std::string_view Name(SharedFs shared_fs);         // "9p", "virtio-fs"
Result<MachineType> ParseMachineType(std::string_view text);
Result<Acceleration> ParseAcceleration(std::string_view text);
Result<VmOrigin> ParseVmOrigin(std::string_view text);
Result<SharedFs> ParseSharedFs(std::string_view text);

}  // namespace cc

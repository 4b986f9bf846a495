// SPDX-License-Identifier: Apache-2.0
#include "protocol/vm_config.h"

#include "base/json_full.h"
#include "protocol/network.h"

namespace cc {

namespace {

// Far above any machine, far below what could overflow when it is turned into bytes.
constexpr int64_t kMaxVcpus = 4096;
constexpr int64_t kMaxMemoryMib = int64_t{1} << 30;
constexpr int64_t kMaxDeadlineMs = 60 * 60 * 1000;

// A text that will be an argument or a path: a NUL would silently cut it.
Result<std::string> Text(const Json& document, std::string_view key) {
    CC_ASSIGN(std::string text, StringMember(document, key));
    if (text.find('\0') != std::string::npos) return Fail(Cat(key, ": holds a NUL byte"));
    return text;
}

Result<std::vector<Card>> CardsMember(const Json& document) {
    std::vector<Card> cards;
    CC_ASSIGN(const Json* array, ArrayMember(document, "cards"));
    if (array == nullptr) return cards;
    for (const Json& entry : *array) {
        CC_ASSIGN(Card card, Context("cards", ParseCard(entry)));
        if (card.kind == CardKind::kTap || card.kind == CardKind::kMacvtap)
            return Fail("cards: nothing that lies in a network namespace is there from the start");
        for (const Card& other : cards)
            if (other.number == card.number)
                return Fail(Cat("cards: there are two with the number ", card.number));
        cards.push_back(std::move(card));
    }
    return cards;
}

Result<FileServerConfig> FileServerMember(const Json& document) {
    FileServerConfig server;
    const Json* object = Member(document, "file_server");
    if (object == nullptr) return server;
    if (!object->is_object()) return Fail("file_server: not an object");
    CC_ASSIGN(server.program, Text(*object, "program"));
    CC_ASSIGN(server.cache, StringMember(*object, "cache", server.cache));
    if (server.cache != "auto" && server.cache != "always" && server.cache != "none")
        return Fail(Cat("file_server: the cache ", Quoted(server.cache),
                        " is unknown; known are auto, always and none"));
    CC_ASSIGN(const Json* array, ArrayMember(*object, "arguments"));
    if (array == nullptr) return server;
    for (const Json& entry : *array) {
        const auto* text = entry.is_string() ? &entry.get_ref<const std::string&>() : nullptr;
        if (text == nullptr || text->find('\0') != std::string::npos)
            return Fail("file_server: an argument is no text");
        server.arguments.push_back(*text);
    }
    return server;
}

Result<VmConfig> FromJson(const Json& document) {
    const VmConfig defaults;
    VmConfig config;
    CC_ASSIGN(config.name, Text(document, "name"));
    CC_ASSIGN(config.directory, Text(document, "directory"));
    CC_ASSIGN(const std::string machine, StringMember(document, "machine", Name(defaults.machine)));
    CC_ASSIGN(config.machine, ParseMachineType(machine));
    CC_ASSIGN(const std::string acceleration,
              StringMember(document, "acceleration", Name(defaults.acceleration)));
    CC_ASSIGN(config.acceleration, ParseAcceleration(acceleration));
    CC_ASSIGN(config.hypervisor, Text(document, "hypervisor"));
    CC_ASSIGN(config.kernel, Text(document, "kernel"));
    CC_ASSIGN(config.image, Text(document, "image"));
    CC_ASSIGN(config.initrd, Text(document, "initrd"));
    CC_ASSIGN(config.firmware, Text(document, "firmware"));
    CC_ASSIGN(config.kernel_params, Text(document, "kernel_params"));
    CC_ASSIGN(config.machine_accelerators, Text(document, "machine_accelerators"));
    CC_ASSIGN(config.vcpus, IntMember(document, "vcpus", defaults.vcpus, 1, kMaxVcpus));
    CC_ASSIGN(config.memory_mib,
              IntMember(document, "memory_mib", defaults.memory_mib, 1, kMaxMemoryMib));
    CC_ASSIGN(config.mem_prealloc, BoolMember(document, "mem_prealloc"));
    CC_ASSIGN(config.hugepages, BoolMember(document, "hugepages"));
    CC_ASSIGN(config.reclaim_freed_memory, BoolMember(document, "reclaim_freed_memory"));
    CC_ASSIGN(config.nic, BoolMember(document, "nic"));
    CC_ASSIGN(config.cards, CardsMember(document));
    CC_ASSIGN(const std::string shared_fs,
              StringMember(document, "shared_fs", Name(defaults.shared_fs)));
    CC_ASSIGN(config.shared_fs, ParseSharedFs(shared_fs));
    CC_ASSIGN(config.file_server, FileServerMember(document));
    CC_ASSIGN(config.shared_memory, BoolMember(document, "shared_memory"));
    CC_ASSIGN(config.vhost_net, BoolMember(document, "vhost_net"));
    CC_ASSIGN(config.generation_id, BoolMember(document, "generation_id"));
    CC_ASSIGN(const std::string origin, StringMember(document, "origin", Name(defaults.origin)));
    CC_ASSIGN(config.origin, ParseVmOrigin(origin));
    CC_ASSIGN(config.debug, BoolMember(document, "debug"));
    CC_ASSIGN(config.start_deadline_ms, IntMember(document, "start_deadline_ms",
                                                  defaults.start_deadline_ms, 1, kMaxDeadlineMs));
    return config;
}

}  // namespace

std::string Encode(const VmConfig& config) {
    Json document;
    document["name"] = config.name;
    document["directory"] = config.directory;
    document["machine"] = std::string(Name(config.machine));
    document["acceleration"] = std::string(Name(config.acceleration));
    document["hypervisor"] = config.hypervisor;
    document["kernel"] = config.kernel;
    document["image"] = config.image;
    document["initrd"] = config.initrd;
    document["firmware"] = config.firmware;
    document["kernel_params"] = config.kernel_params;
    document["machine_accelerators"] = config.machine_accelerators;
    document["vcpus"] = config.vcpus;
    document["memory_mib"] = config.memory_mib;
    document["mem_prealloc"] = config.mem_prealloc;
    document["hugepages"] = config.hugepages;
    document["reclaim_freed_memory"] = config.reclaim_freed_memory;
    document["nic"] = config.nic;
    document["cards"] = Json::array();
    for (const Card& card : config.cards)
        document["cards"].push_back(ToJson(card));
    document["shared_fs"] = std::string(Name(config.shared_fs));
    if (config.shared_fs == SharedFs::kVirtioFs)
        document["file_server"] = {{"program", config.file_server.program},
                                   {"cache", config.file_server.cache},
                                   {"arguments", config.file_server.arguments}};
    document["shared_memory"] = config.shared_memory;
    document["vhost_net"] = config.vhost_net;
    document["generation_id"] = config.generation_id;
    document["origin"] = std::string(Name(config.origin));
    document["debug"] = config.debug;
    document["start_deadline_ms"] = config.start_deadline_ms;
    return DumpJson(document);
}

Result<VmConfig> ParseVmConfig(std::string_view text) {
    CC_ASSIGN(const Json document, Context("VM configuration", ParseJson(text)));
    if (!document.is_object()) return Fail("VM configuration: not a JSON object");
    return Context("VM configuration", FromJson(document));
}

int MostNics(MachineType machine) {
    switch (machine) {
        case MachineType::kPc:
            return kMostNics;  // slots 0x10 to 0x1e of the bus
        case MachineType::kQ35:
            return 1 + 4;  // root ports
        case MachineType::kMicrovm:
            return 1;  // nothing can be plugged in
    }
    return 1;
}

int PlugPlaces(MachineType machine) {
    switch (machine) {
        case MachineType::kPc:
            return 16;  // slots 0x10 to 0x1f of the bus
        case MachineType::kQ35:
            return 4;  // root ports
        case MachineType::kMicrovm:
            break;
    }
    return 0;
}

int64_t MostCpus(MachineType machine, int64_t cpus, int64_t host_cpus) {
    // Each possible processor costs the guest memory and boot time, present or not.
    constexpr int64_t most = 8;
    // Nothing can be plugged into a microvm.
    return machine == MachineType::kMicrovm ? cpus : std::max(cpus, std::min(host_cpus, most));
}

std::string_view Name(MachineType machine) {
    switch (machine) {
        case MachineType::kPc:
            return "pc";
        case MachineType::kQ35:
            return "q35";
        case MachineType::kMicrovm:
            return "microvm";
    }
    return "pc";
}

std::string_view Name(Acceleration acceleration) {
    switch (acceleration) {
        case Acceleration::kAuto:
            return "auto";
        case Acceleration::kKvm:
            return "kvm";
        case Acceleration::kTcg:
            return "tcg";
    }
    return "auto";
}

std::string_view Name(VmOrigin origin) {
    switch (origin) {
        case VmOrigin::kBoot:
            return "boot";
        case VmOrigin::kTemplate:
            return "template";
        case VmOrigin::kClone:
            return "clone";
        case VmOrigin::kPooled:
            return "pooled";
    }
    return "boot";
}

std::string_view Name(SharedFs shared_fs) {
    return shared_fs == SharedFs::kVirtioFs ? "virtio-fs" : "9p";
}

Result<MachineType> ParseMachineType(std::string_view text) {
    for (const auto machine : {MachineType::kPc, MachineType::kQ35, MachineType::kMicrovm})
        if (text == Name(machine)) return machine;
    return Fail(Cat("machine type ", Quoted(text), " is unknown; known are pc, q35 and microvm"));
}

Result<Acceleration> ParseAcceleration(std::string_view text) {
    for (const auto acceleration : {Acceleration::kAuto, Acceleration::kKvm, Acceleration::kTcg})
        if (text == Name(acceleration)) return acceleration;
    return Fail(Cat("acceleration ", Quoted(text), " is unknown; known are auto, kvm and tcg"));
}

Result<VmOrigin> ParseVmOrigin(std::string_view text) {
    for (const auto origin :
         {VmOrigin::kBoot, VmOrigin::kTemplate, VmOrigin::kClone, VmOrigin::kPooled})
        if (text == Name(origin)) return origin;
    return Fail(Cat("origin ", Quoted(text), " is unknown"));
}

Result<SharedFs> ParseSharedFs(std::string_view text) {
    for (const auto shared_fs : {SharedFs::k9p, SharedFs::kVirtioFs})
        if (text == Name(shared_fs)) return shared_fs;
    return Fail(
        Cat("the shared file system ", Quoted(text), " is unknown; known are 9p and virtio-fs"));
}

}  // namespace cc

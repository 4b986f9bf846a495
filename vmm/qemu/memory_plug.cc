// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/memory_plug.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/vm_verbs.h"

namespace cc::qemu {

namespace {

constexpr uint64_t kBlock = static_cast<uint64_t>(kMemoryBlockMib) << 20;

// One module on its way in.
struct MemoryPlug {
    QmpClient& qmp;
    std::string memory, module;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;
};

void InsertModule(const MemoryPlug& plug, uint64_t address) {
    Json device = {{"driver", "pc-dimm"}, {"id", plug.module}, {"memdev", plug.memory}};
    if (address != 0) device["addr"] = address;
    plug.qmp.Execute(
        "device_add", DumpJson(device), plug.deadline, [plug](const Result<std::string>& inserted) {
            if (inserted) return plug.done({});
            // Without its module it is of no use.
            const Json memory = {{"id", plug.memory}};
            plug.qmp.Execute("object-del", DumpJson(memory), plug.deadline, [](const auto&) {});
            plug.done(Failure(inserted.error()));
        });
}

}  // namespace

Result<uint64_t> AddressBehind(std::string_view memory_devices) {
    CC_ASSIGN(const Json list, ParseJson(memory_devices));
    if (!list.is_array()) return Fail("the machine's memory devices are no list");
    uint64_t end = 0;
    for (const auto& entry : list) {
        const Json* data = Member(entry, "data");
        if (data == nullptr) return Fail("a memory device without data");
        constexpr int64_t most = INT64_MAX / 4;
        CC_ASSIGN(const int64_t address, IntMember(*data, "addr", 0, 0, most));
        CC_ASSIGN(const int64_t size, IntMember(*data, "size", 0, 0, most));
        end = std::max(end, static_cast<uint64_t>(address + size));
    }
    return (end + kBlock - 1) / kBlock * kBlock;
}

void PlugMemory(QmpClient& qmp, int number, int64_t mib, bool shared,
                std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const MemoryPlug plug{qmp, Cat("memory", number), Cat("module", number), deadline,
                          std::move(done)};
    // As what the machine began with (machine.cc).
    Json memory = {{"qom-type", shared ? "memory-backend-memfd" : "memory-backend-ram"},
                   {"id", plug.memory},
                   {"size", mib << 20}};
    if (shared) memory["share"] = true;
    qmp.Execute("object-add", DumpJson(memory), deadline, [plug](const Result<std::string>& made) {
        if (!made) return plug.done(Failure(made.error()));
        plug.qmp.Execute(
            "query-memory-devices", "", plug.deadline, [plug](const Result<std::string>& devices) {
                const auto address = devices ? AddressBehind(*devices) : Failure(devices.error());
                if (!address) return plug.done(Failure(address.error()));
                InsertModule(plug, *address);
            });
    });
}

}  // namespace cc::qemu

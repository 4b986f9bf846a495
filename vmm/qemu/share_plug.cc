// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/share_plug.h"

#include "base/json_full.h"
#include "base/text.h"
#include "vmm/qemu/layout.h"
#include "vmm/qemu/machine.h"
#include "vmm/qemu/option.h"

namespace cc::qemu {

namespace {

constexpr const char* kConnection = "share";  // character device
constexpr const char* kPassed = "share_cc";   // what QEMU knows the descriptor by until then
constexpr const char* kSharePort = "hotplug-share";

using Done = std::function<void(Result<void>)>;

// As texts, so that both ways to say it have one source.
std::vector<std::pair<std::string, std::string>> Properties(const CardSlots& slots, bool plugged) {
    const bool mmio = slots.machine == MachineType::kMicrovm;
    std::vector<std::pair<std::string, std::string>> properties = {
        {"driver", mmio ? "vhost-user-fs-device" : "vhost-user-fs-pci"}, {"id", kShareDevice}};
    if (mmio) {
        properties.emplace_back("bus", Cat("virtio-mmio-bus.", kShareSlot - kSerialSlot));
    } else if (plugged && slots.machine == MachineType::kQ35) {
        properties.emplace_back("bus", kSharePort);
    } else {
        properties.emplace_back("bus", RootBus(slots.machine));
        properties.emplace_back("addr", SlotName(kShareSlot));
    }
    properties.emplace_back("chardev", kConnection);
    properties.emplace_back("tag", kShareTag);
    return properties;
}

void Simply(QmpClient& qmp, const char* command, const Json& arguments,
            std::chrono::milliseconds deadline, const Done& done) {
    qmp.Execute(command, DumpJson(arguments), deadline, [done](const Result<std::string>& answer) {
        done(answer ? Result<void>() : Failure(answer.error()));
    });
}

}  // namespace

std::vector<std::pair<std::string, std::string>> SharePortArguments(MachineType machine) {
    if (machine != MachineType::kQ35) return {};
    return {{"-device", Option("pcie-root-port")
                            .Set("id", kSharePort)
                            .Set("bus", RootBus(machine))
                            .Set("addr", SlotName(kShareSlot))
                            .Set("chassis", kRootPorts + 1)
                            .text()}};
}

std::vector<std::pair<std::string, std::string>> ServedShareArguments(const CardSlots& slots,
                                                                      int connection) {
    Option device;
    for (const auto& [key, value] : Properties(slots, false))
        device.Set(key, value);
    return {{"-chardev", Option("socket").Set("id", kConnection).Set("fd", connection).text()},
            {"-device", device.text()}};
}

void PlugShare(QmpClient& qmp, const CardSlots& slots, const Fd& connection,
               std::chrono::milliseconds deadline, const Done& done) {
    Json device = Json::object();
    for (const auto& [key, value] : Properties(slots, true))
        device[key] = value;
    const Json socket = {
        {"type", "socket"},
        {"data", {{"addr", {{"type", "fd"}, {"data", {{"str", kPassed}}}}}, {"server", false}}}};
    const auto insert = [&qmp, deadline, device, done](const Result<void>& connected) {
        if (!connected) {
            Simply(qmp, "closefd", Json{{"fdname", kPassed}}, deadline,
                   [done, why = connected.error()](const auto&) { done(Failure(why)); });
            return;
        }
        Simply(qmp, "device_add", device, deadline,
               [&qmp, deadline, done](const Result<void>& inserted) {
                   if (inserted) return done({});
                   DropShare(qmp, deadline,
                             [done, why = inserted.error()](const auto&) { done(Failure(why)); });
               });
    };
    qmp.ExecuteWithFd("getfd", DumpJson(Json{{"fdname", kPassed}}), connection, deadline,
                      [&qmp, deadline, socket, insert, done](const Result<std::string>& got) {
                          if (!got) return done(Failure(got.error()));
                          Simply(qmp, "chardev-add", {{"id", kConnection}, {"backend", socket}},
                                 deadline, insert);
                      });
}

void AskForShare(QmpClient& qmp, std::chrono::milliseconds deadline, const Done& done) {
    Simply(qmp, "device_del", Json{{"id", kShareDevice}}, deadline, done);
}

void DropShare(QmpClient& qmp, std::chrono::milliseconds deadline, const Done& done) {
    Simply(qmp, "chardev-remove", Json{{"id", kConnection}}, deadline, done);
}

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/nic_plug.h"

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/network.h"
#include "vmm/qemu/layout.h"
#include "vmm/qemu/machine.h"

namespace cc::qemu {

namespace {

// One card on its way in.
struct Plug {
    QmpClient& qmp;
    MachineType machine;
    int number;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;

    std::string back_end() const { return Cat("net", number); }
    std::string descriptor() const { return TapName(number); }

    // Goes on with `next` when the command has succeeded; otherwise `undo` is said, and the failure
    // is told.
    void Step(std::string_view command, const Json& arguments, std::string_view undo,
              const Json& undone, const std::function<void()>& next) const {
        qmp.Execute(command, DumpJson(arguments), deadline,
                    [plug = *this, undo, undone, next](const Result<std::string>& answer) {
                        if (answer) return next();
                        plug.qmp.Execute(undo, DumpJson(undone), plug.deadline, [](const auto&) {});
                        plug.done(Failure(answer.error()));
                    });
    }
};

// As the device that the machine begins with (arguments.cc), where there is room.
Json DeviceOf(const Plug& plug) {
    Json device = {{"driver", "virtio-net-pci"}, {"id", Cat("nic", plug.number)},
                   {"netdev", plug.back_end()},  {"mac", NicAddress(plug.number)},
                   {"guest_announce", false},    {"romfile", ""}};
    if (plug.machine == MachineType::kQ35) {
        device["bus"] = Cat("hotplug", plug.number - 1);
    } else {
        device["bus"] = RootBus(plug.machine);
        device["addr"] = SlotName(kFirstPlugSlot + plug.number - 1);
    }
    return device;
}

void Insert(const Plug& plug) {
    plug.Step("device_add", DeviceOf(plug), "netdev_del", {{"id", plug.back_end()}},
              [done = plug.done] { done({}); });
}

void Connect(const Plug& plug) {
    const Json tap = {
        {"type", "tap"}, {"id", plug.back_end()}, {"fd", plug.descriptor()}, {"vhost", false}};
    plug.Step("netdev_add", tap, "closefd", {{"fdname", plug.descriptor()}},
              [plug] { Insert(plug); });
}

}  // namespace

void PlugNic(QmpClient& qmp, MachineType machine, int number, const Fd& tap,
             std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const Plug plug{qmp, machine, number, deadline, std::move(done)};
    const Json name = {{"fdname", plug.descriptor()}};
    qmp.ExecuteWithFd("getfd", DumpJson(name), tap, deadline,
                      [plug](const Result<std::string>& got) {
                          if (!got) return plug.done(Failure(got.error()));
                          Connect(plug);
                      });
}

}  // namespace cc::qemu

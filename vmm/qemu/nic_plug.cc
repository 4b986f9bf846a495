// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/nic_plug.h"

#include <memory>
#include <optional>

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/network.h"
#include "vmm/qemu/card.h"

namespace cc::qemu {

namespace {

// What undoes a step calls this when it has.
using Then = std::function<void()>;

// One card on its way in.
struct NicPlug {
    QmpClient& qmp;
    MachineType machine;
    int number;
    bool has_vhost;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;

    std::string back_end() const { return Cat("net", number); }
    std::string tap() const { return TapName(number); }
    std::string vhost() const { return Cat("vhost", number, "_cc"); }

    // Goes on with `next` when the command has succeeded; otherwise undoes, and then tells the
    // failure: whoever hears it finds nothing left.
    void Step(std::string_view command, const Json& arguments,
              const std::function<void(Then)>& undo, const std::function<void()>& next) const {
        qmp.Execute(command, DumpJson(arguments), deadline,
                    [plug = *this, undo, next](const Result<std::string>& answer) {
                        if (answer) return next();
                        undo([plug, why = answer.error()] { plug.done(Failure(why)); });
                    });
    }
};

// As the device that the machine begins with (arguments.cc), where there is room.
Json DeviceOf(const NicPlug& plug) {
    Json device = {{"driver", "virtio-net-pci"}, {"id", Cat("nic", plug.number)},
                   {"netdev", plug.back_end()},  {"mac", NicAddress(plug.number)},
                   {"guest_announce", false},    {"romfile", ""}};
    const CardPlace place = PlaceOf(plug.machine, plug.number);
    device["bus"] = place.bus;
    if (!place.slot.empty()) device["addr"] = place.slot;
    return device;
}

void InsertNic(const NicPlug& plug) {
    const auto undo = [plug](const Then& then) {
        plug.qmp.Execute("netdev_del", DumpJson(Json{{"id", plug.back_end()}}), plug.deadline,
                         [then](const auto&) { then(); });
    };
    plug.Step("device_add", DeviceOf(plug), undo, [done = plug.done] { done({}); });
}

// What was passed and no device has taken.
void CloseDescriptors(const NicPlug& plug, const Then& then) {
    const auto close = [&plug](const std::string& name, const Then& closed) {
        plug.qmp.Execute("closefd", DumpJson(Json{{"fdname", name}}), plug.deadline,
                         [closed](const auto&) { closed(); });
    };
    if (!plug.has_vhost) return close(plug.tap(), then);
    // Commands are answered in order.
    close(plug.tap(), [] {});
    close(plug.vhost(), then);
}

void Connect(const NicPlug& plug) {
    Json tap = {{"type", "tap"}, {"id", plug.back_end()}, {"fd", plug.tap()}};
    tap["vhost"] = plug.has_vhost;
    if (plug.has_vhost) tap["vhostfd"] = plug.vhost();
    plug.Step(
        "netdev_add", tap, [plug](const Then& then) { CloseDescriptors(plug, then); },
        [plug] { InsertNic(plug); });
}

}  // namespace

void PlugNic(QmpClient& qmp, MachineType machine, int number, const NicBackEnd& end,
             std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const NicPlug plug{qmp,      machine,        number, static_cast<bool>(end.vhost),
                       deadline, std::move(done)};
    const auto pass = [&plug](const std::string& name, const Fd& fd,
                              const std::function<void(const Result<std::string>&)>& then) {
        plug.qmp.ExecuteWithFd("getfd", DumpJson(Json{{"fdname", name}}), fd, plug.deadline, then);
    };
    // Commands are answered in order: what becomes of the first is known when the last is.
    auto failed = std::make_shared<std::optional<Error>>();
    const auto passed = [failed](const Result<std::string>& got) {
        if (!got) *failed = got.error();
    };
    const auto all = [plug, failed, passed](const Result<std::string>& got) {
        passed(got);
        if (!*failed) return Connect(plug);
        CloseDescriptors(plug, [plug, failed] { plug.done(Failure(**failed)); });
    };
    if (!plug.has_vhost) return pass(plug.tap(), end.tap, all);
    pass(plug.tap(), end.tap, passed);
    pass(plug.vhost(), end.vhost, all);
}

}  // namespace cc::qemu

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
    size_t queues;
    bool has_vhost;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;

    std::string back_end() const { return Cat("net", number); }
    // What QEMU knows the descriptors by: first all taps, then all of vhost-net.
    std::vector<std::string> taps() const { return Names(TapName(number)); }
    std::vector<std::string> vhosts() const {
        return has_vhost ? Names(Cat("vhost", number, "_cc")) : std::vector<std::string>();
    }
    std::vector<std::string> Names(const std::string& first) const {
        std::vector<std::string> names = {first};
        while (names.size() < queues)
            names.push_back(Cat(first, "_", names.size()));
        return names;
    }

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
    if (plug.queues > 1) {
        device["mq"] = true;
        device["vectors"] = VectorsFor(plug.queues);
    }
    return device;
}

void InsertNic(const NicPlug& plug) {
    const auto undo = [plug](const Then& then) {
        plug.qmp.Execute("netdev_del", DumpJson(Json{{"id", plug.back_end()}}), plug.deadline,
                         [then](const auto&) { then(); });
    };
    plug.Step("device_add", DeviceOf(plug), undo, [done = plug.done] { done({}); });
}

// What was passed and no device has taken. Commands are answered in order.
void CloseDescriptors(const NicPlug& plug, const Then& then) {
    std::vector<std::string> names = plug.taps();
    const auto vhosts = plug.vhosts();
    names.insert(names.end(), vhosts.begin(), vhosts.end());
    for (const auto& name : names)
        plug.qmp.Execute("closefd", DumpJson(Json{{"fdname", name}}), plug.deadline,
                         [then, last = name == names.back()](const auto&) {
                             if (last) then();
                         });
}

void Connect(const NicPlug& plug) {
    const bool several = plug.queues > 1;
    Json tap = {{"type", "tap"}, {"id", plug.back_end()}};
    tap[several ? "fds" : "fd"] = Join(plug.taps(), ":");
    tap["vhost"] = plug.has_vhost;
    if (plug.has_vhost) tap[several ? "vhostfds" : "vhostfd"] = Join(plug.vhosts(), ":");
    plug.Step(
        "netdev_add", tap, [plug](const Then& then) { CloseDescriptors(plug, then); },
        [plug] { InsertNic(plug); });
}

}  // namespace

void PlugNic(QmpClient& qmp, MachineType machine, int number, const NicBackEnd& end,
             std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const NicPlug plug{qmp,      machine,        number, end.taps.size(), !end.vhosts.empty(),
                       deadline, std::move(done)};
    struct Passed {
        size_t left;
        std::optional<Error> failed;
    };
    // Commands are answered in order: what becomes of each is known when the last is.
    auto passed = std::make_shared<Passed>();
    passed->left = end.taps.size() + end.vhosts.size();
    const auto pass = [plug, passed](const std::string& name, const Fd& fd) {
        plug.qmp.ExecuteWithFd(
            "getfd", DumpJson(Json{{"fdname", name}}), fd, plug.deadline,
            [plug, passed](const Result<std::string>& got) {
                if (!got) passed->failed = got.error();
                if (--passed->left > 0) return;
                if (!passed->failed) return Connect(plug);
                CloseDescriptors(plug, [plug, passed] { plug.done(Failure(*passed->failed)); });
            });
    };
    for (size_t i = 0; i < end.taps.size(); ++i)
        pass(plug.taps()[i], end.taps[i]);
    for (size_t i = 0; i < end.vhosts.size(); ++i)
        pass(plug.vhosts()[i], end.vhosts[i]);
}

}  // namespace cc::qemu

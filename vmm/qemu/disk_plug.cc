// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/disk_plug.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/disk.h"
#include "vmm/qemu/card.h"

namespace cc::qemu {

namespace {

using Next = std::function<void()>;

std::string DeviceName(int number) {
    return Cat("disk", number);
}
std::string NodeName(int number) {
    return Cat("drive", number);
}
// Sets of descriptors are numbered from 1 on.
int FdSet(int number) {
    return number + 1;
}

// One disk on its way in.
struct DiskPlug {
    QmpClient& qmp;
    MachineType machine;
    int number;
    bool read_only;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;

    // As NicPlug's.
    void Step(std::string_view command, const Json& arguments,
              const std::function<void(Next)>& undo, const Next& next) const {
        qmp.Execute(command, DumpJson(arguments), deadline,
                    [plug = *this, undo, next](const Result<std::string>& answer) {
                        if (answer) return next();
                        undo([plug, why = answer.error()] { plug.done(Failure(why)); });
                    });
    }
    void ForgetDescriptor(const Next& then) const {
        qmp.Execute("remove-fd", DumpJson(Json{{"fdset-id", FdSet(number)}}), deadline,
                    [then](const auto&) { then(); });
    }
};

// cache.direct: the guest has a cache of its own, which is the one that its programs see. A second
// one of the host's would hold the same once more, for nobody's account, and what the guest has
// written and not yet been promised would outlive a VMM that is killed, and reach the device when
// somebody else may have it already. locking: it goes by the file that a device was opened by, and
// ours have one each; two VMs that share a disk know what they do. discard: a thin volume gets back
// what the guest frees.
Json NodeOf(const DiskPlug& plug) {
    return {{"driver", "host_device"},
            {"node-name", NodeName(plug.number)},
            {"filename", Cat("/dev/fdset/", FdSet(plug.number))},
            {"read-only", plug.read_only},
            {"cache", {{"direct", true}}},
            {"discard", "unmap"},
            {"locking", "off"}};
}

Json DeviceOf(const DiskPlug& plug) {
    Json device = {{"driver", "virtio-blk-pci"},
                   {"id", DeviceName(plug.number)},
                   {"drive", NodeName(plug.number)},
                   {"serial", DiskSerial(plug.number)}};
    const CardPlace place = PlaceAt(plug.machine, PlaceOfDisk(plug.machine, plug.number));
    device["bus"] = place.bus;
    if (!place.slot.empty()) device["addr"] = place.slot;
    return device;
}

void InsertDisk(const DiskPlug& plug) {
    const auto undo = [plug](const Next& then) {
        plug.qmp.Execute("blockdev-del", DumpJson(Json{{"node-name", NodeName(plug.number)}}),
                         plug.deadline, [plug, then](const auto&) { plug.ForgetDescriptor(then); });
    };
    plug.Step("device_add", DeviceOf(plug), undo, [done = plug.done] { done({}); });
}

}  // namespace

void PlugDisk(QmpClient& qmp, MachineType machine, int number, const Fd& device, bool read_only,
              std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const DiskPlug plug{qmp, machine, number, read_only, deadline, std::move(done)};
    qmp.ExecuteWithFd("add-fd", DumpJson(Json{{"fdset-id", FdSet(number)}}), device, deadline,
                      [plug](const Result<std::string>& added) {
                          if (!added) return plug.done(Failure(added.error()));
                          plug.Step(
                              "blockdev-add", NodeOf(plug),
                              [plug](const Next& then) { plug.ForgetDescriptor(then); },
                              [plug] { InsertDisk(plug); });
                      });
}

void DiskExits::Begin(QmpClient& qmp, int number, std::chrono::milliseconds deadline, Done done) {
    auto timer = std::make_unique<uv::Timer>(loop_, [this, number, deadline] {
        Finish(number, Fail(Cat("the guest does not let go of disk ", number, " within ",
                                deadline.count(), " ms"),
                            ETIMEDOUT));
    });
    timer->Start(deadline);
    exits_.insert_or_assign(number, Exit{&qmp, deadline, std::move(done), std::move(timer)});
    qmp.Execute("device_del", DumpJson(Json{{"id", DeviceName(number)}}), deadline,
                [this, number](const Result<std::string>& asked) {
                    if (!asked) Finish(number, Failure(asked.error()));
                });
}

void DiskExits::OnEvent(const QmpEvent& event) {
    const auto found = std::find_if(exits_.begin(), exits_.end(), [&](const auto& exit) {
        return DeviceName(exit.first) == event.device;
    });
    if (found == exits_.end()) return;
    if (event.name == "DEVICE_DELETED") return Close(found->first);
    if (event.name == "DEVICE_UNPLUG_GUEST_ERROR")
        Finish(found->first, Fail(Cat("the guest refuses to let go of disk ", found->first)));
}

void DiskExits::Close(int number) {
    const Exit& exit = exits_.at(number);
    exit.qmp->Execute("blockdev-del", DumpJson(Json{{"node-name", NodeName(number)}}),
                      exit.deadline, [this, number](const Result<std::string>& closed) {
                          if (!closed) return Finish(number, Failure(closed.error()));
                          const Exit& closing = exits_.at(number);
                          closing.qmp->Execute(
                              "remove-fd", DumpJson(Json{{"fdset-id", FdSet(number)}}),
                              closing.deadline, [this, number](const auto&) { Gone(number); });
                      });
}

void DiskExits::Gone(int number) {
    const Exit gone = std::move(exits_.extract(number).mapped());
    on_gone_(number);
    if (gone.done) gone.done({});
}

// Who waits is told once. The entry stays: an event may yet come.
void DiskExits::Finish(int number, Result<void> how) {
    Exit& exit = exits_.at(number);
    exit.timer->Stop();
    if (const auto done = std::exchange(exit.done, nullptr)) done(std::move(how));
}

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/cpu_plug.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/text.h"

namespace cc::qemu {

namespace {

constexpr int64_t kMostSockets = 1 << 16;

// Processors on their way in.
struct CpuPlug {
    QmpClient& qmp;
    std::vector<std::string> devices;
    int64_t& plugged;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;
};

void InsertCpu(const CpuPlug& plug, size_t next) {
    if (next == plug.devices.size()) return plug.done({});
    plug.qmp.Execute("device_add", plug.devices[next], plug.deadline,
                     [plug, next](const Result<std::string>& inserted) {
                         if (!inserted) return plug.done(Failure(inserted.error()));
                         ++plug.plugged;
                         InsertCpu(plug, next + 1);
                     });
}

}  // namespace

Result<std::vector<std::string>> FreeCpuPlaces(std::string_view hotpluggable_cpus) {
    CC_ASSIGN(const Json list, ParseJson(hotpluggable_cpus));
    if (!list.is_array()) return Fail("the machine's possible processors are no list");
    std::vector<std::pair<int64_t, std::string>> places;
    for (const auto& entry : list) {
        if (Member(entry, "qom-path") != nullptr) continue;  // it is there
        CC_ASSIGN(const std::string type, StringMember(entry, "type"));
        CC_ASSIGN(const Json* place, ObjectMember(entry, "props"));
        if (type.empty() || place == nullptr) return Fail("a possible processor without a place");
        // Each has a socket of its own (machine.cc).
        CC_ASSIGN(const int64_t socket, IntMember(*place, "socket-id", 0, 0, kMostSockets));
        Json device = {{"driver", type}, {"id", Cat("cpu", socket)}};
        device.update(*place);
        places.emplace_back(socket, DumpJson(device));
    }
    // Linux numbers them in the order in which they come, and so are they easiest to follow.
    std::sort(places.begin(), places.end());
    std::vector<std::string> devices;
    devices.reserve(places.size());
    for (auto& [socket, device] : places)
        devices.push_back(std::move(device));
    return devices;
}

void PlugCpus(QmpClient& qmp, int64_t count, int64_t& plugged, std::chrono::milliseconds deadline,
              std::function<void(Result<void>)> done) {
    if (count == 0) return done({});
    CpuPlug plug{qmp, {}, plugged, deadline, std::move(done)};
    qmp.Execute("query-hotpluggable-cpus", "", deadline,
                [plug, count](const Result<std::string>& answer) mutable {
                    auto devices = answer ? FreeCpuPlaces(*answer) : Failure(answer.error());
                    if (!devices) return plug.done(Failure(devices.error()));
                    if (static_cast<int64_t>(devices->size()) < count)
                        return plug.done(Fail(Cat("the machine has room for ", devices->size(),
                                                  " more processors, not for ", count),
                                              ENOSPC));
                    devices->resize(static_cast<size_t>(count));
                    plug.devices = std::move(*devices);
                    InsertCpu(plug, 0);
                });
}

}  // namespace cc::qemu

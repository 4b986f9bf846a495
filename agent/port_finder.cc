// SPDX-License-Identifier: Apache-2.0
#include "agent/port_finder.h"

#include "agent/device_events.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr const char* kClass = "/sys/class/virtio-ports";

// Empty for a port that is not there yet.
std::string FindPort(const std::string& name) {
    for (const auto& port : ListDirectory(kClass).value_or(std::vector<std::string>{})) {
        const std::string text = ReadFile(Cat(kClass, "/", port, "/name"), 4096).value_or("");
        std::string device = Cat("/dev/", port);
        if (Trim(text) == name && Exists(device)) return device;
    }
    return {};
}

}  // namespace

Result<std::vector<std::string>> FindPorts(const std::vector<std::string>& names,
                                           std::chrono::milliseconds deadline) {
    std::vector<std::string> found, missing;
    const auto there = [&]() -> Result<bool> {
        found.clear();
        missing.clear();
        for (const auto& name : names) {
            found.push_back(FindPort(name));
            if (found.back().empty()) missing.push_back(name);
        }
        return missing.empty();
    };
    // A name becomes known some time after its port; that is an event too.
    CC_ASSIGN(const bool all, AwaitDevices(there, deadline));
    if (all) return found;
    return Fail(Cat("the virtio-serial port ", Join(missing, ", "), " did not appear within ",
                    deadline.count(), " ms"),
                ETIMEDOUT);
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// linux.resources.devices in the host's cgroup, version 1. What they forbid they forbid in the
// guest (agent/device_filter.h); here they are for those who read them, and hold for cc-shim.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace cc::runtime {

struct DeviceRuleText {
    bool allow = false;
    std::string text;  // for devices.allow or devices.deny: "c 1:3 rwm"
};

// In the order in which they are to be written: nothing is allowed but what the rules say, and,
// behind them, what every container may use. Without rules nothing.
Result<std::vector<DeviceRuleText>> DeviceRuleTexts(const Json& resources);

// Into those leaves that are of the devices controller and were made for this container. A host
// that does not let us write (inside of another container) is only noted in the log.
void ListDeviceRules(const std::vector<std::string>& leaves,
                     const std::vector<std::string>& created,
                     const std::vector<DeviceRuleText>& rules);

}  // namespace cc::runtime

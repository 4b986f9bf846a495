// SPDX-License-Identifier: Apache-2.0
// Finding virtio-serial ports by the names that the VMM gave them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// Device paths ("/dev/vport0p1") of the ports with these names, in their order. Ports appear while
// the kernel talks to the device, so this waits for its events; the error names the ports that did
// not come in time.
Result<std::vector<std::string>> FindPorts(const std::vector<std::string>& names,
                                           std::chrono::milliseconds deadline);

}  // namespace cc::agent

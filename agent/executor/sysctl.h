// SPDX-License-Identifier: Apache-2.0
// Kernel parameters of a container.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace cc::agent {

// "net.ipv4.ip_forward" -> "/proc/sys/net/ipv4/ip_forward". A name may hold slashes where a
// component has a dot in it
// ("net.ipv4.conf.eth0/100.forwarding"), as with sysctl(8).
Result<std::string> SysctlPath(const std::string& name);
// Through the caller's /proc, in the caller's namespaces. One that cannot be set is an error.
Result<void> SetSysctls(const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace cc::agent

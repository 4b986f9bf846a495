// SPDX-License-Identifier: Apache-2.0
// What a link's driver says of itself.
#pragma once

#include <string>

#include "base/fd.h"

namespace cc::netns {

// Where the link's device is on its bus (ETHTOOL_GDRVINFO): "0000:03:10.0" for one of PCI. Empty:
// the driver does not say, as with a link that is no device.
Result<std::string> BusInfoOf(const Fd& network_namespace, const std::string& link);

}  // namespace cc::netns

// SPDX-License-Identifier: Apache-2.0
// 3.0's words for a network (reference B3): the members "interfaces" and "routes" of STARTPOD, and
// the payloads of SETUPINTERFACE and SETUPROUTE. They say less than a Network and become one.
#pragma once

#include "protocol/go_json.h"
#include "protocol/network.h"

namespace cc {

// `json` has "interfaces" and "routes", or neither.
Result<Network> ParsePodNetwork(const Json& json);
Result<NetworkLink> ParsePodInterface(const Json& json);
Result<NetworkRoute> ParsePodRoute(const Json& json);

// Payloads: one interface; {"routes":[...]}.
Result<NetworkLink> ParseSetupInterface(std::string_view payload);
Result<std::vector<NetworkRoute>> ParseSetupRoute(std::string_view payload);

}  // namespace cc

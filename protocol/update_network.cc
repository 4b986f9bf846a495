// SPDX-License-Identifier: Apache-2.0
#include "protocol/update_network.h"

#include "protocol/go_json.h"

namespace cc {

std::string Encode(const UpdateNetwork& message) {
    return DumpGo({{"network", ToJson(message.network)}});
}

Result<UpdateNetwork> ParseUpdateNetwork(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    const Json* network = reader.Object("network");
    CC_TRY(reader.Finish("UPDATENETWORK"));
    if (network == nullptr) return Fail("UPDATENETWORK: \"network\" is missing");
    CC_ASSIGN(Network parsed, Context("UPDATENETWORK", ParseNetwork(*network)));
    return UpdateNetwork{std::move(parsed)};
}

}  // namespace cc

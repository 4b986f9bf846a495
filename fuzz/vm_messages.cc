// SPDX-License-Identifier: Apache-2.0
// What runtime, keeper and shim tell each other when a VM and a container start.
#include "fuzz/payloads.h"
#include "protocol/shim_start.h"
#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"

namespace cc::fuzz {

int FuzzVmMessages(std::string_view input) {
    CheckRoundTrip(ParseShimStart, input);
    CheckRoundTrip(ParseVmConfig, input);
    CheckRoundTrip(ParseVmRequest, input);
    if (const auto request = ParseVmRequest(input)) {
        // These name directories of the host; all others what is in the share.
        const bool directory =
            request->verb == VmVerb::kAdopt || request->verb == VmVerb::kWatchNetwork;
        CC_FUZZ_CHECK(request->path.starts_with('/') == directory);
        if (directory) return 0;
        CC_FUZZ_CHECK(Cat("/", request->path, "/").find("/../") == std::string::npos);
    }
    if (const auto config = ParseVmConfig(input))
        CC_FUZZ_CHECK(config->kernel.find('\0') == std::string::npos);
    const auto reply = ParseVmReply(input);
    if (!reply) return 0;
    const std::string encoded = Encode(*reply, VmVerb::kStatus);
    const auto again = ParseVmReply(encoded);
    CC_FUZZ_CHECK(again.has_value());
    CC_FUZZ_CHECK(Encode(*again, VmVerb::kStatus) == encoded);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzVmMessages)

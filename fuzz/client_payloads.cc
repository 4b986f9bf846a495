// SPDX-License-Identifier: Apache-2.0
// The JSON payloads of the client protocol, all of them on the same bytes.
#include "fuzz/payloads.h"
#include "protocol/client_messages.h"

namespace cc::fuzz {

int FuzzClientPayloads(std::string_view input) {
    CheckRoundTrip(ParseRegisterVm, input);
    CheckRoundTrip(ParseAttachVm, input);
    CheckRoundTrip(ParseUnregisterVm, input);
    CheckRoundTrip(ParseHyper, input);
    CheckRoundTrip(ParseConnectShim, input);
    CheckRoundTrip(ParseSignal, input);
    CheckRoundTrip(ParseLogEntry, input);
    CheckRoundTrip(ParseIoResponse, input);
    CheckRawMember(input, "data");
    const std::string text = ParseErrorText(input);
    CC_FUZZ_CHECK(ParseErrorText(EncodeErrorText(text)).size() >= text.size());
    (void)IsWellFormedToken(input);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzClientPayloads)

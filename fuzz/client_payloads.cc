// SPDX-License-Identifier: Apache-2.0
// The payloads of the client protocol, all of them on the same bytes: JSON of version 2 and
// MessagePack of version 3.
#include "fuzz/payloads.h"
#include "protocol/client_messages.h"
#include "protocol/msgpack.h"

namespace cc::fuzz {

namespace {

void CheckVersion(std::string_view input, uint16_t version) {
    CheckRoundTrip(ParseRegisterVm, input, version);
    CheckRoundTrip(ParseAttachVm, input, version);
    CheckRoundTrip(ParseUnregisterVm, input, version);
    CheckRoundTrip(ParseHyper, input, version);
    CheckRoundTrip(ParseConnectShim, input, version);
    CheckRoundTrip(ParseSignal, input, version);
    CheckRoundTrip(ParseLogEntry, input, version);
    CheckRoundTrip(ParseIoResponse, input, version);
}

void CheckVersion3(std::string_view input) {
    CheckVersion(input, kClientVersion3);
    CheckRoundTrip(ParseShimConnected, input);
    CheckRoundTrip(ParseWindowUpdate, input);
    CheckRoundTrip(ParseProcessEnd, input);
    CheckRoundTrip(ParseHello, input);
    if (const auto end = ParseProcessEnd(input)) CC_FUZZ_CHECK(end->code >= 0 && end->code < 256);
    const ErrorAnswer answer = ParseError(input, kClientVersion3);
    const ErrorAnswer again =
        ParseError(EncodeError(answer.code, answer.message, kClientVersion3), kClientVersion3);
    CC_FUZZ_CHECK(again.code == answer.code && again.message == answer.message);
    if (const auto document = ParseMsgpack(input)) {
        const auto parsed = ParseMsgpack(DumpMsgpack(*document));
        CC_FUZZ_CHECK(parsed.has_value());
        CC_FUZZ_CHECK(DumpMsgpack(*parsed) == DumpMsgpack(*document));
    }
}

}  // namespace

int FuzzClientPayloads(std::string_view input) {
    CheckVersion(input, kClientVersion2);
    CheckVersion3(input);
    CheckRawMember(input, "data");
    const std::string text = ParseErrorText(input);
    CC_FUZZ_CHECK(ParseErrorText(EncodeErrorText(text)).size() >= text.size());
    (void)IsWellFormedToken(input);
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzClientPayloads)

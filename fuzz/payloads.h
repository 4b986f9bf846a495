// SPDX-License-Identifier: Apache-2.0
// What must hold for every payload with a parser and an encoder.
#pragma once

#include "fuzz/target.h"
#include "protocol/client_frame.h"
#include "protocol/go_json.h"

namespace cc::fuzz {

// What parses encodes to bytes that parse to the same: to the same encoding, which has every field.
template <class Message>
void CheckRoundTrip(Result<Message> (*parse)(std::string_view), std::string_view input) {
    const auto message = parse(input);
    if (!message) {
        CC_FUZZ_CHECK(!message.error().message.empty());
        return;
    }
    const std::string encoded = Encode(*message);
    const auto again = parse(encoded);
    CC_FUZZ_CHECK(again.has_value());
    CC_FUZZ_CHECK(Encode(*again) == encoded);
}

// The same in both versions of the client protocol.
template <class Message>
void CheckRoundTrip(Result<Message> (*parse)(std::string_view, uint16_t), std::string_view input) {
    for (const uint16_t version : {kClientVersion2, kClientVersion3}) {
        const auto message = parse(input, version);
        if (!message) {
            CC_FUZZ_CHECK(!message.error().message.empty());
            continue;
        }
        const std::string encoded = Encode(*message, version);
        const auto again = parse(encoded, version);
        CC_FUZZ_CHECK(again.has_value());
        CC_FUZZ_CHECK(Encode(*again, version) == encoded);
    }
}

// The raw text of a member is what the parser read there.
inline void CheckRawMember(std::string_view input, std::string_view key) {
    const auto json = ParseGoObject(input);
    if (!json) return;
    const Json* last = nullptr;
    for (const auto& [name, value] : json->items())
        if (SameGoKey(name, key)) last = &value;
    const std::string_view raw = RawMember(input, key);
    CC_FUZZ_CHECK(raw.empty() == (last == nullptr));
    if (last == nullptr) return;
    const auto parsed = ParseJson(raw, {.bytes = input.size(), .depth = 64});
    CC_FUZZ_CHECK(parsed.has_value());
    CC_FUZZ_CHECK(*parsed == *last);
}

}  // namespace cc::fuzz

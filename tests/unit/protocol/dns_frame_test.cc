// SPDX-License-Identifier: Apache-2.0
#include "protocol/dns_frame.h"

#include <doctest/doctest.h>

#include "base/text.h"

using namespace cc;

TEST_CASE("a DNS frame is what docs/protocol.md says, in whatever pieces it comes") {
    const std::string bytes = Encode(DnsFrame{258, true, "question"});
    CHECK(HexEncode(bytes) == "0000010201000008" + HexEncode("question"));
    DnsDecoder decoder;
    for (size_t at = 0; at + 1 < bytes.size(); ++at) {
        decoder.Push(bytes.substr(at, 1));
        const auto none = decoder.Next();
        REQUIRE(none);
        CHECK_FALSE(*none);
    }
    decoder.Push(bytes.substr(bytes.size() - 1) + Encode(DnsFrame{7, false, ""}));
    auto frame = decoder.Next();
    REQUIRE(frame);
    REQUIRE(*frame);
    CHECK((*frame)->id == 258);
    CHECK((*frame)->tcp);
    CHECK((*frame)->message == "question");
    frame = decoder.Next();
    REQUIRE(*frame);
    CHECK((*frame)->id == 7);
    CHECK((*frame)->message.empty());
}

TEST_CASE("what is no DNS frame is an error") {
    for (const auto* bad : {"\0\0\0\1\2\0\0\0", "\0\0\0\1\0\1\0\0"}) {
        DnsDecoder decoder;
        decoder.Push({bad, 8});
        CHECK_FALSE(decoder.Next());
    }
}

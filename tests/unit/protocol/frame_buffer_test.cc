// SPDX-License-Identifier: Apache-2.0
#include "protocol/frame_buffer.h"

#include <doctest/doctest.h>

#include "protocol/agent_frame.h"

namespace cc {
namespace {

std::string Payload(uint64_t number) {
    return std::string(number * 37 % 2000, static_cast<char>('a' + number % 26));
}

}  // namespace

TEST_CASE("frames that are whole in lent bytes are decoded where they lie") {
    const std::string bytes = EncodeIo(3, "one") + EncodeIo(4, "two");
    IoDecoder decoder;
    decoder.Lend(bytes);
    for (const std::string_view expected : {"one", "two"}) {
        const auto message = decoder.Next();
        REQUIRE(message);
        REQUIRE(*message);
        CHECK((*message)->payload == expected);
        CHECK((*message)->payload.data() >= bytes.data());
        CHECK((*message)->payload.data() < bytes.data() + bytes.size());
    }
    CHECK_FALSE(*decoder.Next());
    decoder.Keep();
}

TEST_CASE("whatever the size of the reads, lent or pushed, the same frames come out") {
    constexpr uint64_t kFrames = 200;
    std::string bytes;
    for (uint64_t i = 0; i < kFrames; ++i)
        bytes += EncodeIo(i, Payload(i));
    for (const size_t read : {1, 5, 12, 13, 100, 1024, 4096, 65536}) {
        CAPTURE(read);
        IoDecoder decoder;
        uint64_t next = 0;
        for (size_t at = 0; at < bytes.size(); at += read) {
            // The read buffer is another one each time, and gone when it has been dealt with.
            const std::string buffer = bytes.substr(at, read);
            if (at / read % 3 == 2)
                decoder.Push(buffer);
            else
                decoder.Lend(buffer);
            while (true) {
                const auto message = decoder.Next();
                REQUIRE(message);
                if (!*message) break;
                CHECK((*message)->sequence == next);
                CHECK((*message)->payload == Payload(next));
                ++next;
            }
            decoder.Keep();
        }
        CHECK(next == kFrames);
    }
}

TEST_CASE("bytes that nobody has looked at are kept when the lender wants its buffer back") {
    FrameBuffer buffer;
    std::string lent = "abcdef";
    buffer.Lend(lent);
    CHECK(buffer.Peek(2) == "ab");
    buffer.Consume(2);
    buffer.Keep();
    lent = "XXXXXX";
    CHECK(buffer.size() == 4);
    buffer.Lend("gh");
    CHECK_FALSE(buffer.Peek(7));
    CHECK(buffer.Peek(6) == "cdefgh");
    CHECK(buffer.view() == "cdefgh");
    buffer.Consume(6);
    CHECK(buffer.size() == 0);
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// Frames of extension 2 on a channel that loses bytes.
#include "protocol/link_frame.h"

#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/crc32c.h"

namespace cc {

namespace {

const std::string kMarker(kMarkerSize, 'A');
const std::string kOther = "0123456789abcdef";

std::string FrameOf(std::string_view payload, uint64_t offset = 0,
                    std::string_view marker = kOther) {
    return Encode({7, LinkType::kData, kLinkEnd, 3, offset, payload}, marker);
}

// What comes out of these bytes, encoded again.
std::string Decode(LinkDecoder& decoder, std::string_view bytes, std::string_view marker = kOther) {
    std::string frames;
    decoder.Push(bytes);
    while (const auto frame = decoder.Next())
        frames += Encode(*frame, marker);
    return frames;
}
std::string Decode(std::string_view bytes) {
    LinkDecoder decoder(kOther);
    return Decode(decoder, bytes);
}

std::string Noise(std::mt19937& random, size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

}  // namespace

TEST_CASE("the Hello of the documentation is encoded and decoded byte by byte") {
    const std::string golden =
        HexDecode(
            "4141414141414141414141414141414100000002010000000000000000000000"
            "0000000000000000000000008db0c700")
            .value();
    CHECK(Encode({.epoch = 2, .type = LinkType::kHello}, kMarker) == golden);
    LinkDecoder decoder(kMarker);
    for (size_t i = 0; i + 1 < golden.size(); ++i) {
        decoder.Push({&golden[i], 1});
        REQUIRE_FALSE(decoder.Next());
    }
    decoder.Push({&golden.back(), 1});
    const auto hello = decoder.Next();
    REQUIRE(hello);
    CHECK(hello->epoch == 2);
    CHECK(hello->type == LinkType::kHello);
    CHECK(hello->payload.empty());
    CHECK(decoder.skipped() == 0);
}

TEST_CASE("the checksum is the Castagnoli CRC of RFC 3720") {
    CHECK(Crc32c("123456789") == 0xe3069283);
    CHECK(Crc32c(std::string(32, '\0')) == 0x8a9136aa);
    CHECK(Crc32c("6789", Crc32c("12345")) == Crc32c("123456789"));
}

TEST_CASE("a checksum is the same whether its bytes come at once or one by one") {
    std::mt19937 random(5);
    const std::string bytes = Noise(random, 4000);
    uint32_t one_by_one = 0;
    for (size_t size = 0; size < bytes.size(); ++size) {
        REQUIRE(Crc32c(std::string_view(bytes).substr(0, size)) == one_by_one);
        one_by_one = Crc32c({&bytes[size], 1}, one_by_one);
    }
}

TEST_CASE("frames come out the same however their bytes are cut") {
    const std::string bytes =
        FrameOf("hello") + Encode({1, LinkType::kHello, 0, 0, 0, {}}, kOther) + "junk" +
        FrameOf(std::string(500, 'x'), 5) + FrameOf("") + Encode({2, LinkType::kExit}, kOther);
    const std::string whole = Decode(bytes);
    CHECK(whole.size() == bytes.size() - 4);
    for (size_t first = 0; first <= bytes.size(); ++first) {
        LinkDecoder decoder(kOther);
        const std::string begun = Decode(decoder, bytes.substr(0, first));
        REQUIRE(begun + Decode(decoder, bytes.substr(first)) == whole);
        CHECK(decoder.skipped() == 4);
    }
    for (const size_t size : {1U, 7U, 47U, 48U, 49U}) {
        LinkDecoder decoder(kOther);
        std::string frames;
        for (size_t at = 0; at < bytes.size(); at += size)
            frames += Decode(decoder, std::string_view(bytes).substr(at, size));
        CHECK(frames == whole);
    }
}

TEST_CASE("wherever a frame is cut, the next one is found") {
    const std::string cut = FrameOf("some output that never comes whole");
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    for (size_t size = 0; size < cut.size(); ++size) {
        CAPTURE(size);
        LinkDecoder decoder(kOther);
        CHECK(Decode(decoder, cut.substr(0, size)).empty());
        CHECK(Decode(decoder, hello) == hello);
        CHECK(Decode(cut.substr(0, size) + hello) == hello);
    }
}

TEST_CASE("wherever bytes are missing at the front, the next frame is found") {
    const std::string cut = FrameOf("some output whose beginning is lost");
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    for (size_t lost = 1; lost < cut.size(); ++lost)
        CHECK(Decode(cut.substr(lost) + hello) == hello);
}

TEST_CASE("the next one is found among bytes that look like its marker's ends") {
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    const std::string begun =
        Encode({7, LinkType::kRequest, 0, 1, 17, std::string(1000, 'r')}, kOther).substr(0, 48);
    for (size_t size = 0; size < 70; ++size) {
        CAPTURE(size);
        for (const std::string_view like : {"0", "f", "0123456789abcdeX", "X123456789abcdef"}) {
            std::string noise;
            while (noise.size() < size)
                noise += like;
            noise.resize(size);
            CHECK(Decode(begun + noise + hello) == hello);
            CHECK(Decode(noise + hello) == hello);
        }
    }
}

TEST_CASE("a large frame that was cut does not hold back what follows it") {
    const std::string cut =
        Encode({7, LinkType::kRequest, 0, 1, 17, std::string(kMaxLinkPayload, 'r')}, kOther);
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    LinkDecoder decoder(kOther);
    CHECK(Decode(decoder, cut.substr(0, 1000)).empty());
    CHECK(decoder.AtFrame());
    CHECK(Decode(decoder, hello.substr(0, 20)).empty());
    CHECK(Decode(decoder, hello.substr(20)) == hello);
    CHECK_FALSE(decoder.AtFrame());
    CHECK(decoder.skipped() == 1000);
}

TEST_CASE("a frame with any byte changed is passed over, and the one behind it is not") {
    const std::string good = FrameOf("payload");
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    for (size_t at = 0; at < good.size(); ++at) {
        CAPTURE(at);
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x20);
        CHECK(Decode(bad + hello) == hello);
    }
}

TEST_CASE("frames of another marker are no frames") {
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    CHECK(Decode(FrameOf("x", 0, kMarker) + hello + FrameOf("y", 0, kMarker)) == hello);
}

TEST_CASE("a frame is found behind any number of bytes that begin like a marker") {
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    for (size_t size = 0; size <= kMarkerSize; ++size)
        CHECK(Decode(kOther.substr(0, size) + hello) == hello);
    // One byte repeated: every place in a run of it looks like the marker's beginning.
    const std::string periodic = Encode({8, LinkType::kHello}, kMarker);
    for (size_t size = 0; size < 100; ++size) {
        LinkDecoder decoder(kMarker);
        CHECK(Decode(decoder, std::string(size, 'A') + periodic, kMarker) == periodic);
    }
}

TEST_CASE("a length or type that nobody sends is not waited for") {
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    std::string bad = FrameOf("");
    bad[24] = 1;  // 16 MiB
    LinkDecoder decoder(kOther);
    CHECK(Decode(decoder, bad).empty());
    CHECK_FALSE(decoder.AtFrame());
    CHECK(Decode(decoder, hello) == hello);
    const std::string large_data =
        Encode({7, LinkType::kData, 0, 3, 0, std::string(kMaxLinkData + 1, 'x')}, kOther);
    CHECK(Decode(large_data + hello) == hello);
    CHECK(Decode(Encode({7, static_cast<LinkType>(0)}, kOther) + hello) == hello);
    CHECK(Decode(Encode({7, static_cast<LinkType>(8)}, kOther) + hello) == hello);
}

TEST_CASE("without a marker nothing is a frame, and with a new one what is here is looked at") {
    const std::string hello = Encode({8, LinkType::kHello}, kOther);
    LinkDecoder decoder;
    CHECK(Decode(decoder, hello).empty());
    CHECK_FALSE(decoder.AtFrame());
    decoder.SetMarker(kOther);
    CHECK(decoder.Next());
    CHECK(Decode(decoder, hello.substr(0, 30)).empty());
    decoder.Clear();
    CHECK(Decode(decoder, hello) == hello);
}

TEST_CASE("whatever happens to the bytes, only frames that were sent come out, in their order") {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        const std::string marker = Noise(random, kMarkerSize);
        std::vector<std::string> sent;
        std::string wire;
        for (uint64_t i = 0; i < 20; ++i) {
            const auto payload = Noise(random, random() % 200);
            sent.push_back(Encode({7, LinkType::kData, 0, 3, i, payload}, marker));
            std::string damaged = sent.back();
            switch (random() % 4) {
                case 0:
                    damaged[random() % damaged.size()] ^= static_cast<char>(1 + random() % 255);
                    break;
                case 1:
                    damaged.erase(random() % damaged.size());
                    break;
                case 2:
                    damaged.erase(0, random() % damaged.size());
                    break;
                default:
                    break;
            }
            wire += damaged;
        }
        const std::string last = Encode({8, LinkType::kHello}, marker);
        wire += last;
        sent.push_back(last);
        LinkDecoder decoder(marker);
        size_t next = 0;
        bool complete = false;
        for (size_t at = 0; at < wire.size();) {
            const size_t size = 1 + random() % 300;
            decoder.Push(std::string_view(wire).substr(at, size));
            at += size;
            while (const auto frame = decoder.Next()) {
                const std::string again = Encode(*frame, marker);
                while (next < sent.size() && sent[next] != again)
                    ++next;
                REQUIRE(next < sent.size());
                complete = again == last;
            }
        }
        CHECK(complete);
    }
}

}  // namespace cc

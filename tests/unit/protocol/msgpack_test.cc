// SPDX-License-Identifier: Apache-2.0
// MessagePack as payloads of version 3 use it, and what nobody may send. Bytes are written as the
// format's specification has them.
#include "protocol/msgpack.h"

#include <doctest/doctest.h>

#include "base/text.h"

namespace cc {
namespace {

std::string Bytes(std::string_view hex) {
    return HexDecode(hex).value();
}

bool IsRefused(const std::string& payload, std::string_view why) {
    const auto parsed = ParseMsgpack(payload);
    return !parsed && parsed.error().message.find(why) != std::string::npos;
}

// {"a": [[[...]]]} of `levels` in all.
std::string Nested(size_t levels) {
    return Bytes("81 a1 61") + std::string(levels - 2, '\x91') + Bytes("90");
}

}  // namespace

TEST_CASE("documents are written in the shortest form and read from any") {
    const Json json = {{"a", 1}, {"b", {"x", nullptr, true}}, {"c", -1}, {"d", {{"e", 300}}}};
    const std::string bytes = Bytes("84 a161 01 a162 93 a178 c0 c3 a163 ff a164 81 a165 cd012c");
    CHECK(DumpMsgpack(json) == bytes);
    CHECK(ParseMsgpack(bytes).value() == json);
    // 1 in eight bytes, a string with a 32-bit length, a map of 16.
    CHECK(ParseMsgpack(Bytes("81 a161 cf0000000000000001")).value() == Json{{"a", 1}});
    CHECK(ParseMsgpack(Bytes("81 db00000001 61 01")).value() == Json{{"a", 1}});
    CHECK(ParseMsgpack(Bytes("de0001 a161 01")).value() == Json{{"a", 1}});
}

TEST_CASE("numbers keep all 64 bits and their sign") {
    const Json json = {{"max", UINT64_MAX}, {"min", INT64_MIN}, {"half", 0.5}};
    CHECK(ParseMsgpack(DumpMsgpack(json)).value() == json);
    CHECK(ParseMsgpack(DumpMsgpack(json))->at("max").is_number_unsigned());
}

TEST_CASE("byte strings are strings that hold any bytes") {
    const std::string any("\x00\xff\xc3(", 4);
    CHECK(ParseMsgpack(Bytes("81 a164 c404 00ffc328"))->at("d") == any);
    CHECK(ParseMsgpack(Bytes("81 a164 a4 00ffc328"))->at("d") == any);
    CHECK(DumpMsgpack({{"d", Json::binary({0, 0xff, 0xc3, '('})}}) ==
          Bytes("81 a164 c404 00ffc328"));
}

TEST_CASE("what is not one whole map is refused") {
    const std::string good = Bytes("82 a161 93 01 02 a178 a162 81 a163 cd0102");
    REQUIRE(ParseMsgpack(good));
    for (size_t size = 0; size < good.size(); ++size)
        CHECK_FALSE(ParseMsgpack(good.substr(0, size)));
    CHECK(IsRefused(good + '\0', "bytes after the end"));
    CHECK(IsRefused(good + good, "bytes after the end"));
    CHECK(IsRefused(Bytes("90"), "not a map"));
    CHECK(IsRefused(Bytes("c0"), "not a map"));
    CHECK(IsRefused(Bytes("a161"), "not a map"));
    CHECK(IsRefused("{\"a\":1}", ""));
}

TEST_CASE("keys that are no strings, or stand twice, are refused") {
    CHECK(IsRefused(Bytes("81 01 01"), "a key that is no string"));
    CHECK(IsRefused(Bytes("81 c0 01"), "a key that is no string"));
    CHECK(IsRefused(Bytes("81 c40161 01"), "a key that is no string"));
    CHECK(IsRefused(Bytes("81 90 01"), "a key that is no string"));
    CHECK(IsRefused(Bytes("81 80 01"), "a key that is no string"));
    CHECK(IsRefused(Bytes("82 a161 01 a161 02"), "twice"));
}

TEST_CASE("extension types and the byte that is no type are refused") {
    for (const char* value :
         {"c70101ff", "d401ff", "d6ff00000000", "d80100000000000000000000000000000000"})
        CHECK(IsRefused(Bytes(Cat("81 a161 ", value)), "extension"));
    CHECK(IsRefused(Bytes("81 a161 c1"), ""));
}

TEST_CASE("lengths that the payload cannot hold are refused before memory is spent on them") {
    CHECK(IsRefused(Bytes("81 a161 ddffffffff"), "cannot hold"));
    CHECK(IsRefused(Bytes("81 a161 dc0100 01"), "cannot hold"));
    CHECK(IsRefused(Bytes("dfffffffff"), "too many keys"));
    CHECK(IsRefused(Bytes("81 a161 dbffffffff 61"), ""));
    CHECK(IsRefused(Bytes("81 a161 c6ffffffff 61"), ""));
    CHECK(IsRefused(Bytes("81 dbffffffff 61"), ""));
}

TEST_CASE("sixty-four levels and keys are enough, one more is too many") {
    CHECK(ParseMsgpack(Nested(64)));
    CHECK(IsRefused(Nested(65), "too deep"));
    CHECK(IsRefused(Nested(1000000), "too deep"));
    Json json = Json::object();
    for (int i = 0; i < 64; ++i)
        json[Cat("key", i)] = i;
    CHECK(ParseMsgpack(DumpMsgpack(json)).value() == json);
    json["one more"] = 1;
    CHECK(IsRefused(DumpMsgpack(json), "too many keys"));
}

}  // namespace cc

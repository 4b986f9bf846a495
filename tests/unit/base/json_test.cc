// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/json_full.h"

namespace cc {
namespace {

std::string ErrorOf(const std::string& text, const JsonLimits& limits = {}) {
    const auto parsed = ParseJson(text, limits);
    REQUIRE_FALSE(parsed);
    return parsed.error().message;
}

std::string Nested(size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

bool Contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("documents keep the order of their keys") {
    const std::string text = R"({"z":1,"a":{"y":[true,null,"x"],"b":-1},"m":1.5})";
    CHECK(DumpJson(ParseJson(text).value()) == text);
    CHECK(DumpJsonPretty(ParseJson(R"({"b":[1],"a":{}})").value(), 2) ==
          "{\n  \"b\": [\n    1\n  ],\n  \"a\": {}\n}");
}

TEST_CASE("documents that are too long or too deep are refused, those at the limit are not") {
    CHECK(ParseJson(Nested(64)));
    CHECK(Contains(ErrorOf(Nested(65)), "nested deeper than 64 levels"));
    CHECK(Contains(ErrorOf(std::string(1 << 19, '[')), "nested deeper"));
    CHECK(ParseJson(R"({"a":{"a":1}})", {.depth = 2}));
    CHECK_FALSE(ParseJson(R"({"a":{"a":[]}})", {.depth = 2}));
    CHECK(ParseJson("[1,2]", {.bytes = 5}));
    CHECK(Contains(ErrorOf("[1,2 ]", {.bytes = 5}), "6 bytes, at most 5"));
}

TEST_CASE("a key that stands twice in one object is refused, in two objects it is fine") {
    CHECK(Contains(ErrorOf(R"({"a":1,"b":2,"a":3})"), "\"a\" stands twice"));
    CHECK_FALSE(ParseJson(R"([{"x":{"k":1,"\u006b":2}}])"));  // however it is written
    CHECK(ParseJson(R"([{"a":1},{"a":1,"b":{"a":1}}])"));
    CHECK_FALSE(Contains(ErrorOf("{\"\x1b[2J\":1,\"\x1b[2J\":1}"), "\x1b"));
}

TEST_CASE("what is not strict JSON is refused") {
    for (const char* text :
         {"",        " ",         "{",           "[1,]",     "{\"a\":1,}",   "// x\n1",
          "/* */1",  "'a'",       "01",          "+1",       ".5",           "1.",
          "NaN",     "Infinity",  "nul",         "{a:1}",    "[1 2]",        "1 2",
          "\"\t\"",  "\"\\x41\"", "\"\\ud800\"", "\"\xff\"", "\"\xc0\x80\"", "\xef\xbb\xbf{}",
          "{\"a\"}", "]",         "{]"})
        CHECK_FALSE_MESSAGE(ParseJson(text), text);
    CHECK_FALSE(ParseJson(std::string("1\0", 2)));
    CHECK(ParseJson(" \t\r\n\"\\u00e9\" ")->get<std::string>() == "\u00e9");
}

TEST_CASE("numbers keep their value or the document is refused") {
    CHECK(ParseJson("18446744073709551615")->get<uint64_t>() == UINT64_MAX);
    CHECK(ParseJson("-9223372036854775808")->get<int64_t>() == INT64_MIN);
    CHECK(ParseJson("18446744073709551616")->is_number_float());
    CHECK_FALSE(ParseJson("1e400"));
    CHECK_FALSE(ParseJson(std::string(1000, '9')));
    const Json json =
        ParseJson(R"({"u":18446744073709551615,"b":18446744073709551616,"f":7.0,"n":-1})").value();
    CHECK_FALSE(IntMember(json, "u", 0, 0, INT64_MAX));
    CHECK_FALSE(IntMember(json, "b", 0, 0, INT64_MAX));
    CHECK_FALSE(IntMember(json, "f", 0, 0, 10));
    CHECK_FALSE(IntMember(json, "n", 0, 0, 10));
    CHECK(IntMember(json, "n", 0, -1, 10) == -1);
}

TEST_CASE("the error of hostile JSON is short, one line, and safe for a terminal") {
    for (const std::string& text :
         {"\"" + std::string(1 << 19, 'x'), std::string("{\"a\": \x1b[31m}"), std::string("\"\n\""),
          "[" + std::string(1 << 19, '9') + "]", std::string("\"\xc2\x9b"), std::string("[\x9b")}) {
        const std::string error = ErrorOf(text);
        CHECK(error.starts_with("invalid JSON: "));
        CHECK(error.size() < 1200);
        for (const char c : error)
            CHECK((static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f));
    }
    CHECK(Contains(ErrorOf("{\n \"a\": ?}"), "line 2, column 7"));
}

TEST_CASE("members have a default when absent or null, and a wrong type names the key") {
    const Json json =
        ParseJson(R"({"s":"x","b":true,"i":5,"l":["a","b"],"o":{},"n":null,"m":[1]})").value();
    CHECK(StringMember(json, "s") == "x");
    CHECK(StringMember(json, "n", "d") == "d");
    CHECK(StringMember(json, "absent", "d") == "d");
    CHECK(StringMember(json, "i").error().message == "\"i\" must be a string");
    CHECK(BoolMember(json, "b") == true);
    CHECK(BoolMember(json, "n", true) == true);
    CHECK(BoolMember(json, "s").error().message == "\"s\" must be true or false");
    CHECK(IntMember(json, "i", 0, 5, 5) == 5);
    CHECK(IntMember(json, "absent", -3, 0, 5) == -3);
    CHECK(IntMember(json, "i", 0, 6, 9).error().message == "\"i\" must lie between 6 and 9");
    CHECK(StringsMember(json, "l")->size() == 2);
    CHECK(StringsMember(json, "absent")->empty());
    CHECK_FALSE(StringsMember(json, "m"));
    CHECK_FALSE(StringsMember(json, "s"));
    CHECK(ObjectMember(json, "o").value() != nullptr);
    CHECK(ObjectMember(json, "n").value() == nullptr);
    CHECK_FALSE(ObjectMember(json, "l"));
    CHECK(ArrayMember(json, "l").value()->size() == 2);
    CHECK_FALSE(ArrayMember(json, "o"));
    CHECK(Member(Json::array(), "s") == nullptr);
}

TEST_CASE("bytes that are not UTF-8 are dumped as replacement characters") {
    CHECK(DumpJson(Json{{"a", "x\xffy"}}) == "{\"a\":\"x\xef\xbf\xbdy\"}");
}

}  // namespace cc

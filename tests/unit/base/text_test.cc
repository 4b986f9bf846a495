// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <cstdint>

#include <doctest/doctest.h>

namespace cc {

using Words = std::vector<std::string>;

TEST_CASE("quoted text can neither command a terminal nor break a line") {
    CHECK(Quoted("plain text") == "\"plain text\"");
    CHECK(Quoted("\x1b[31mred\x1b[0m\r\n\t\b") == R"("\x1b[31mred\x1b[0m\x0d\n\t\x08")");
    CHECK(Quoted("say \"hi\" \\o/") == R"("say \"hi\" \\o/")");
    CHECK(Quoted(std::string_view("a\0b\x7f", 4)) == R"("a\x00b\x7f")");
    // The one-byte forms of ESC [ and OSC, as UTF-8 and as bare bytes.
    CHECK(Quoted("\xc2\x9b"
                 "31m\xc2\x9d") == R"("\xc2\x9b31m\xc2\x9d")");
    CHECK(Quoted("\x9b"
                 "31m") == R"("\x9b31m")");
}

TEST_CASE("quoted text keeps valid UTF-8 and escapes every kind of invalid one") {
    CHECK(Quoted("gr\u00fc\u00df \u20ac \U0001f40b") == "\"gr\u00fc\u00df \u20ac \U0001f40b\"");
    CHECK(Quoted("\xc3") == R"("\xc3")");                          // cut short
    CHECK(Quoted("\xc3x") == R"("\xc3x")");                        // wrong second byte
    CHECK(Quoted("\xc0\xaf") == R"("\xc0\xaf")");                  // overlong
    CHECK(Quoted("\xe0\x80\xaf") == R"("\xe0\x80\xaf")");          // overlong
    CHECK(Quoted("\xed\xa0\x80") == R"("\xed\xa0\x80")");          // a surrogate
    CHECK(Quoted("\xf4\x90\x80\x80") == R"("\xf4\x90\x80\x80")");  // above U+10FFFF
    CHECK(Quoted("\xff\xfe\xf8") == R"("\xff\xfe\xf8")");
}

TEST_CASE("quoted text is cut at its limit and says so") {
    CHECK(Quoted("123456", 6) == "\"123456\"");
    CHECK(Quoted("1234567", 6) == "\"123456...\"");
    CHECK(Quoted("12345\u20ac!", 6) == "\"12345\u20ac...\"");  // not in the middle of a character
    CHECK(Quoted("", 0) == "\"\"");
    CHECK(Quoted(std::string(1 << 20, '\x1b')).size() < 1100);
}

TEST_CASE("splitting keeps empty parts and joining is its reverse") {
    CHECK(Split("a,b,,c,", ',') == Words{"a", "b", "", "c", ""});
    CHECK(Split("", ',') == Words{""});
    CHECK(Split("abc", ',') == Words{"abc"});
    for (const char* text : {"", ",", "a", "a,b", ",,a,,"})
        CHECK(Join(Split(text, ','), ",") == text);
    CHECK(Join({}, ", ").empty());
    CHECK(Join({"a", "b", "a"}, ", ") == "a, b, a");
    CHECK(Join({"a", "a"}, "") == "aa");
}

TEST_CASE("white space is trimmed at both ends only") {
    CHECK(Trim(" \t\r\n a b \v\f") == "a b");
    CHECK(Trim(" \n").empty());
    CHECK(Trim("").empty());
    CHECK(Trim("x") == "x");
}

TEST_CASE("a number is the whole text and fits its type, or it is none") {
    CHECK(ParseNumber<int>("-12") == -12);
    CHECK(ParseNumber<uint64_t>("18446744073709551615") == UINT64_MAX);
    CHECK(ParseNumber<uint8_t>("255") == 255);
    CHECK(ParseNumber<int>("007") == 7);
    for (const char* text : {"", " 1", "1 ", "+1", "1.0", "0x10", "1e3", "-", "99999999999", "one"})
        CHECK_FALSE(ParseNumber<int>(text));
    CHECK_FALSE(ParseNumber<uint8_t>("256"));
    CHECK_FALSE(ParseNumber<uint64_t>("-1"));
    CHECK_FALSE(ParseNumber<uint64_t>("18446744073709551616"));
}

TEST_CASE("hex goes both ways and nothing else decodes") {
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    CHECK(HexDecode(HexEncode(all)) == all);
    CHECK(HexEncode("\x0f\xf0") == "0ff0");
    CHECK(HexDecode("0F f0\n0 0\t") == std::string("\x0f\xf0\0", 3));
    CHECK(HexDecode("") == "");
    for (const char* text : {"0", "0g", "0x00", "00 0", "-1"})
        CHECK_FALSE(HexDecode(text));
}

TEST_CASE("text, characters and numbers of all widths are joined in decimal") {
    CHECK(Cat("a", std::string("b"), 'c', 1, -2L, uint8_t{65}, INT64_MIN, UINT64_MAX) ==
          "abc1-265-922337203685477580818446744073709551615");
    CHECK(Cat().empty());
}

TEST_CASE("the hash is FNV-1a as published") {
    CHECK(Fnv1a64("") == 0xcbf29ce484222325);
    CHECK(Fnv1a64("a") == 0xaf63dc4c8601ec8c);
    CHECK(Fnv1a64("foobar") == 0x85944171f73967e8);
}

}  // namespace cc

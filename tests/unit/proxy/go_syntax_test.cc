// SPDX-License-Identifier: Apache-2.0
#include "proxy/go_syntax.h"

#include <doctest/doctest.h>

namespace cc::proxy {
namespace {

TEST_CASE("right JSON is not complained about") {
    for (const char* text :
         {"{}", "[]", " null ", "true", "-0.5e+3", "\"a\\u00e9\\n\"", "[1,[2,{}],{\"a\":[{}]}]",
          "{\"a\":1,\"b\":[],\"c\":{\"d\":\"e\"}}", "[[],[]]", "0"})
        CHECK_MESSAGE(!GoSyntaxError(text), text);
}

TEST_CASE("wrong JSON is complained about in Go's words") {
    const auto says = [](std::string_view text) { return GoSyntaxError(text).value_or("nothing"); };
    CHECK(says("") == "unexpected end of JSON input");
    CHECK(says("{\"a\":") == "unexpected end of JSON input");
    CHECK(says("[1,") == "unexpected end of JSON input");
    CHECK(says("\"a") == "unexpected end of JSON input");
    CHECK(says("{nope") == "invalid character 'n' looking for beginning of object key string");
    CHECK(says("{\"a\":1,}") == "invalid character '}' looking for beginning of object key string");
    CHECK(says("[1,]") == "invalid character ']' looking for beginning of value");
    CHECK(says("nope") == "invalid character 'o' in literal null (expecting 'u')");
    CHECK(says("{\"a\" 1}") == "invalid character '1' after object key");
    CHECK(says("{\"a\":1 2}") == "invalid character '2' after object key:value pair");
    CHECK(says("[1 2]") == "invalid character '2' after array element");
    CHECK(says("{} x") == "invalid character 'x' after top-level value");
    CHECK(says("01") == "invalid character '1' after top-level value");
    CHECK(says("-x") == "invalid character 'x' in numeric literal");
    CHECK(says("1.x") == "invalid character 'x' after decimal point in numeric literal");
    CHECK(says("1ex") == "invalid character 'x' in exponent of numeric literal");
    CHECK(says("\"\\x\"") == "invalid character 'x' in string escape code");
    CHECK(says("\"\\u00g0\"") == "invalid character 'g' in \\u hexadecimal character escape");
    CHECK(says("\"\x01\"") == "invalid character '\\x01' in string literal");
    CHECK(says("'") == "invalid character '\\'' looking for beginning of value");
}

TEST_CASE("deep nesting costs no stack") {
    CHECK(GoSyntaxError(std::string(1 << 20, '[')) == "unexpected end of JSON input");
}

}  // namespace
}  // namespace cc::proxy

// SPDX-License-Identifier: Apache-2.0
#include "proxy/token_table.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/client_messages.h"

namespace cc::proxy {
namespace {

TEST_CASE("tokens are found by their whole text and by their user only") {
    TokenTable table;
    std::vector<std::string> texts;
    for (int i = 0; i < 1000; ++i) {
        texts.push_back(MakeToken().value());
        table.Add({texts.back(), 1000, nullptr, nullptr});
    }
    for (const auto& text : texts) {
        REQUIRE(table.Find(text, 1000) != nullptr);
        CHECK(table.Find(text, 1000)->text == text);
        CHECK(table.Find(text, 0) == nullptr);
        CHECK(table.Find(text.substr(0, 43), 1000) == nullptr);
        CHECK(table.Find(text + "=", 1000) == nullptr);
    }
    CHECK(table.Find("", 1000) == nullptr);
    int guessed = 0;
    for (int i = 0; i < 1'000'000; ++i)
        if (table.Find(MakeToken().value(), 1000) != nullptr) ++guessed;
    CHECK(guessed == 0);
    table.Remove(table.Find(texts[0], 1000));
    CHECK(table.Find(texts[0], 1000) == nullptr);
    CHECK(table.size() == 999);
}

}  // namespace
}  // namespace cc::proxy

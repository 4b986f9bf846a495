// SPDX-License-Identifier: Apache-2.0
#include "proxy/token_table.h"

#include <array>

#include <sys/random.h>

#include "base/text.h"

namespace cc::proxy {

namespace {

// Takes as long for a guess that is right up to the last byte as for one that is wrong at once.
bool SameInConstantTime(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < a.size(); ++i)
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

}  // namespace

TokenTable::TokenTable() {
    std::array<char, 16> bytes{};
    // Without randomness there are no tokens either (MakeToken fails), so nothing to protect.
    (void)!::getrandom(bytes.data(), bytes.size(), 0);
    key_.assign(bytes.data(), bytes.size());
}

uint64_t TokenTable::KeyOf(std::string_view text) const {
    return Fnv1a64(Cat(key_, text));
}

Token* TokenTable::Add(Token token) {
    const uint64_t key = KeyOf(token.text);
    return tokens_.emplace(key, std::make_unique<Token>(std::move(token)))->second.get();
}

Token* TokenTable::Find(std::string_view text, uid_t user) {
    Token* found = nullptr;
    const auto [begin, end] = tokens_.equal_range(KeyOf(text));
    for (auto it = begin; it != end; ++it)
        if (SameInConstantTime(it->second->text, text)) found = it->second.get();
    return found != nullptr && found->user == user ? found : nullptr;
}

void TokenTable::Remove(Token* token) {
    const auto [begin, end] = tokens_.equal_range(KeyOf(token->text));
    for (auto it = begin; it != end; ++it)
        if (it->second.get() == token) {
            tokens_.erase(it);
            return;
        }
}

}  // namespace cc::proxy

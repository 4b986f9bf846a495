// SPDX-License-Identifier: Apache-2.0
// All tokens of the proxy (reference A6). A token is a secret: whoever has it gets a container's
// streams. It works for the user only whose connection asked for it, and looking one up takes a
// time that says nothing about those that exist.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sys/types.h>

namespace cc::proxy {

class Session;
class Vm;

struct Token {
    std::string text;
    uid_t user = 0;
    Vm* vm = nullptr;            // its tokens go before it does
    Session* session = nullptr;  // null: spent
    // Of a spent one whose process was started by a command with an id: that id, and which process.
    uint64_t request = 0;
    uint64_t base = 0;
};

class TokenTable {
  public:
    TokenTable();
    Token* Add(Token token);
    // Null also for another user's token.
    Token* Find(std::string_view text, uid_t user);
    void Remove(Token* token);
    size_t size() const { return tokens_.size(); }

  private:
    uint64_t KeyOf(std::string_view text) const;

    // By a keyed hash: where a guess lands in the table is of no use without the key.
    std::unordered_multimap<uint64_t, std::unique_ptr<Token>> tokens_;
    std::string key_;
};

}  // namespace cc::proxy

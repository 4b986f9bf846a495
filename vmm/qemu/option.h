// SPDX-License-Identifier: Apache-2.0
// One value of QEMU's "a,b=c,d=e" syntax, built from parts. A comma in a value is doubled, which is
// QEMU's way to take it literally: no value can end its option and begin another.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "base/text.h"

namespace cc::qemu {

class Option {
  public:
    // `head` is a word of ours: a driver, a type, or empty when the option starts with a key.
    explicit Option(std::string_view head = "") : text_(head) {}

    Option& Set(std::string_view key, std::string_view value) {
        if (!text_.empty()) text_ += ',';
        text_ += Cat(key, "=");
        for (const char c : value)
            text_.append(c == ',' ? 2 : 1, c);
        return *this;
    }
    template <std::integral T>
    requires(!std::same_as<T, bool>) Option& Set(std::string_view key, T number) {
        return Set(key, std::string_view(Cat(number)));
    }
    Option& On(std::string_view key) { return Set(key, "on"); }
    Option& Off(std::string_view key) { return Set(key, "off"); }

    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

}  // namespace cc::qemu

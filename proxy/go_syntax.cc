// SPDX-License-Identifier: Apache-2.0
#include "proxy/go_syntax.h"

#include <vector>

#include "base/text.h"

namespace cc::proxy {

namespace {

constexpr std::string_view kCutShort = "unexpected end of JSON input";

bool IsDigit(char c) {
    return c >= '0' && c <= '9';
}
bool IsHexDigit(char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::string QuotedCharacter(char c) {
    if (c == '\'') return R"('\'')";
    if (c == '"') return R"('"')";
    std::string text = Quoted({&c, 1});
    return Cat("'", std::string_view(text).substr(1, text.size() - 2), "'");
}

// Walks over the text once; each step either succeeds or leaves the error.
class Checker {
  public:
    explicit Checker(std::string_view text) : text_(text) {}

    std::optional<std::string> Check() {
        if (!Value()) return error_;
        while (!open_.empty())
            if (!AfterValue()) return error_;
        SkipSpace();
        if (at_ < text_.size()) Bad("after top-level value");
        return error_;
    }

  private:
    // Up to the end of a scalar or an empty container, or into a container's first scalar.
    bool Value() {
        while (true) {
            if (!SkipSpace()) return Cut();
            switch (text_[at_]) {
                case '{':
                    open_.push_back('}');
                    ++at_;
                    if (Closes('}')) return true;
                    if (!error_ && Key()) continue;
                    return false;
                case '[':
                    open_.push_back(']');
                    ++at_;
                    if (Closes(']')) return true;
                    continue;
                case '"':
                    return String();
                case 't':
                    return Literal("true");
                case 'f':
                    return Literal("false");
                case 'n':
                    return Literal("null");
                default:
                    break;
            }
            if (text_[at_] == '-' || IsDigit(text_[at_])) return Number();
            return Bad("looking for beginning of value");
        }
    }

    bool AfterValue() {
        const char closing = open_.back();
        if (Closes(closing)) return true;
        if (!SkipSpace()) return Cut();
        if (text_[at_] != ',')
            return Bad(closing == '}' ? "after object key:value pair" : "after array element");
        ++at_;
        if (closing == '}' && !Key()) return false;
        return Value();
    }

    bool Key() {
        if (!SkipSpace()) return Cut();
        if (text_[at_] != '"') return Bad("looking for beginning of object key string");
        if (!String()) return false;
        if (!SkipSpace()) return Cut();
        if (text_[at_] != ':') return Bad("after object key");
        ++at_;
        return true;
    }

    bool Closes(char closing) {
        if (!SkipSpace() || text_[at_] != closing) return false;
        ++at_;
        open_.pop_back();
        return true;
    }

    bool String() {
        for (++at_; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '"') return ++at_, true;
            if (static_cast<unsigned char>(c) < 0x20) return Bad("in string literal");
            if (c == '\\' && !Escape()) return false;
        }
        return Cut();
    }

    bool Escape() {
        if (++at_ >= text_.size()) return Cut();
        if (text_[at_] != 'u') {
            const bool known =
                std::string_view("\"\\/bfnrt").find(text_[at_]) != std::string_view::npos;
            return known || Bad("in string escape code");
        }
        for (int i = 0; i < 4; ++i) {
            if (++at_ >= text_.size()) return Cut();
            if (!IsHexDigit(text_[at_])) return Bad("in \\u hexadecimal character escape");
        }
        return true;
    }

    bool Number() {
        if (text_[at_] == '-') ++at_;
        if (at_ < text_.size() && text_[at_] == '0')
            ++at_;
        else if (!Digits("in numeric literal"))
            return false;
        if (at_ < text_.size() && text_[at_] == '.') {
            ++at_;
            if (!Digits("after decimal point in numeric literal")) return false;
        }
        if (at_ >= text_.size() || (text_[at_] | 0x20) != 'e') return true;
        if (++at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
        return Digits("in exponent of numeric literal");
    }

    bool Digits(std::string_view context) {
        if (at_ >= text_.size()) return Cut();
        if (!IsDigit(text_[at_])) return Bad(context);
        while (at_ < text_.size() && IsDigit(text_[at_]))
            ++at_;
        return true;
    }

    bool Literal(std::string_view word) {
        for (const char expected : word) {
            if (at_ >= text_.size()) return Cut();
            if (text_[at_] != expected)
                return Bad(Cat("in literal ", word, " (expecting '", expected, "')"));
            ++at_;
        }
        return true;
    }

    bool SkipSpace() {
        at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
        return at_ < text_.size();
    }

    bool Cut() {
        error_ = kCutShort;
        return false;
    }
    bool Bad(std::string_view context) {
        error_ = Cat("invalid character ", QuotedCharacter(text_[at_]), " ", context);
        return false;
    }

    std::string_view text_;
    size_t at_ = 0;
    std::vector<char> open_;  // the closing brackets that are owed
    std::optional<std::string> error_;
};

}  // namespace

std::optional<std::string> GoSyntaxError(std::string_view text) {
    return Checker(text).Check();
}

}  // namespace cc::proxy

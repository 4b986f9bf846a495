// SPDX-License-Identifier: Apache-2.0
#include "protocol/go_json.h"

#include <algorithm>
#include <set>

namespace cc {

namespace {

constexpr char Lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// All keys of ours are ASCII. Two characters beyond it are folded to ASCII by Go's decoder, too:
// the long s and the Kelvin sign.
std::string Folded(std::string_view key) {
    constexpr std::string_view long_s = "\xc5\xbf", kelvin = "\xe2\x84\xaa";
    std::string out;
    while (!key.empty()) {
        const bool s = key.starts_with(long_s);
        const bool k = key.starts_with(kelvin);
        out += s ? 's' : k ? 'k' : Lower(key.front());
        key.remove_prefix(s ? long_s.size() : k ? kelvin.size() : 1);
    }
    return out;
}

// Walks over valid JSON text without building anything.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    void SkipSpace() {
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
            ++at_;
    }
    bool Take(char c) {
        SkipSpace();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    // The text of the value that starts here.
    std::string_view Value() {
        SkipSpace();
        const size_t start = at_;
        size_t depth = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                SkipString();
            } else if (c == '{' || c == '[') {
                ++depth;
                ++at_;
            } else if (c == '}' || c == ']') {
                if (depth == 0) break;  // the end of what holds the value
                --depth;
                ++at_;
            } else if (c == ',' && depth == 0) {
                break;
            } else {
                ++at_;
                continue;
            }
            if (depth == 0) break;
        }
        return Trim(text_.substr(start, at_ - start));
    }
    bool AtEnd() const { return at_ >= text_.size(); }

  private:
    void SkipString() {
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
            if (text_[at_] == '\\') ++at_;
        at_ = std::min(at_ + 1, text_.size());
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

const Json* GoMember(const Json& object, std::string_view key) {
    if (!object.is_object()) return nullptr;
    const Json* found = nullptr;
    for (const auto& [name, value] : object.get_ref<const Json::object_t&>())
        if (!value.is_null() && SameGoKey(name, key)) found = &value;
    return found;
}

bool SameGoKey(std::string_view a, std::string_view b) {
    return Folded(a) == Folded(b);
}

Result<void> RefuseTwinKeys(const Json& object) {
    std::set<std::string> seen;
    for (const auto& [name, value] : object.get_ref<const Json::object_t&>())
        if (!seen.insert(Folded(name)).second)
            return Fail(
                Cat("the key ", Quoted(name), " stands twice, but for upper and lower case"));
    return {};
}

const Json* GoReader::Typed(std::string_view key, bool (*is_type)(const Json&),
                            std::string_view type) {
    const Json* value = GoMember(object_, key);
    if (value == nullptr || is_type(*value)) return value;
    Remember({Cat(Quoted(key), " must be ", type)});
    return nullptr;
}

std::string GoReader::String(std::string_view key) {
    const Json* value = Typed(
        key, [](const Json& j) { return j.is_string(); }, "a string");
    return value != nullptr ? value->get<std::string>() : std::string();
}

bool GoReader::Bool(std::string_view key) {
    const Json* value = Typed(
        key, [](const Json& j) { return j.is_boolean(); }, "true or false");
    return value != nullptr && value->get<bool>();
}

int64_t GoReader::Int(std::string_view key) {
    const Json* value = Typed(
        key,
        [](const Json& j) {
            return j.is_number_integer() &&
                   !(j.is_number_unsigned() && j.get<uint64_t>() > uint64_t{INT64_MAX});
        },
        "an integer of 64 bits");
    return value != nullptr ? value->get<int64_t>() : 0;
}

uint64_t GoReader::Unsigned(std::string_view key) {
    const Json* value = Typed(
        key, [](const Json& j) { return j.is_number_unsigned(); }, "an unsigned integer");
    return value != nullptr ? value->get<uint64_t>() : 0;
}

std::vector<std::string> GoReader::Strings(std::string_view key) {
    std::vector<std::string> strings;
    const Json* value = Array(key);
    if (value == nullptr) return strings;
    for (const auto& element : *value) {
        if (element.is_string())
            strings.push_back(element.get<std::string>());
        else
            Remember({Cat(Quoted(key), " must be an array of strings")});
    }
    return strings;
}

const Json* GoReader::Object(std::string_view key) {
    return Typed(
        key, [](const Json& j) { return j.is_object(); }, "an object");
}

const Json* GoReader::Array(std::string_view key) {
    return Typed(
        key, [](const Json& j) { return j.is_array(); }, "an array");
}

Result<void> GoReader::Finish(std::string_view message) const {
    if (error_) return Fail(Cat("malformed ", message, ": ", error_->message));
    return {};
}

Result<Json> ParseGoObject(std::string_view payload) {
    if (Trim(payload).empty()) return Fail("unexpected end of JSON input");  // Go's text
    CC_ASSIGN(Json json, ParseJson(payload, {.bytes = 4 << 20, .depth = 64}));
    if (!json.is_object()) return Fail("invalid JSON: not an object");
    return json;
}

std::string DumpGo(const Json& json) {
    const std::string text = DumpJson(json);
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '<':
                out += "\\u003c";
                break;
            case '>':
                out += "\\u003e";
                break;
            case '&':
                out += "\\u0026";
                break;
            default:
                out += c;
        }
    }
    return out;
}

Json GoStrings(const std::vector<std::string>& strings) {
    if (strings.empty()) return nullptr;
    return strings;
}

namespace {

// A key without its quotes and escapes.
std::string PlainKey(std::string_view text) {
    if (text.find('\\') == std::string_view::npos)
        return std::string(text.size() < 2 ? "" : text.substr(1, text.size() - 2));
    const auto parsed = ParseJson(text, {.bytes = text.size(), .depth = 0});
    return parsed && parsed->is_string() ? parsed->get<std::string>() : std::string();
}

}  // namespace

std::string_view RawMember(std::string_view object, std::string_view key) {
    Scanner scanner(object);
    std::string_view found;
    if (!scanner.Take('{')) return {};
    while (!scanner.AtEnd() && !scanner.Take('}')) {
        const std::string_view name = scanner.Value();
        const bool wanted = SameGoKey(PlainKey(name), key);
        // A key is followed by ':', which Value() takes for part of the next value when it comes
        // first.
        if (!scanner.Take(':')) return {};
        const std::string_view value = scanner.Value();
        if (wanted) found = value;
        if (!scanner.Take(',') && !scanner.Take('}')) return found;
    }
    return found;
}

}  // namespace cc

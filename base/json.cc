// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <set>

#include "base/json_full.h"

namespace cc {

namespace {

// Builds the document and refuses what the limits forbid while the text is read, before memory is
// spent on it.
class LimitedBuilder : public nlohmann::json_sax<Json> {
  public:
    LimitedBuilder(Json& root, size_t depth) : root_(root), depth_limit_(depth) {}

    const std::string& error() const { return error_; }

    bool null() override { return Add(nullptr); }
    bool boolean(bool value) override { return Add(value); }
    bool number_integer(number_integer_t value) override { return Add(value); }
    bool number_unsigned(number_unsigned_t value) override { return Add(value); }
    bool number_float(number_float_t value, const string_t&) override { return Add(value); }
    bool string(string_t& value) override { return Add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return Open(Json::object()); }
    bool end_object() override { return Close(); }
    bool start_array(std::size_t) override { return Open(Json::array()); }
    bool end_array() override { return Close(); }
    bool key(string_t& name) override {
        if (!keys_.back().insert(name).second) {
            error_ = Cat("the key ", Quoted(name), " stands twice in one object");
            return false;
        }
        key_ = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& e) override {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
        // It quotes what was read last, which may be all of a hostile document.
        const std::string_view what = e.what();
        const size_t prefix = what.find("] ");
        error_ = Quoted(what.substr(prefix == std::string_view::npos ? 0 : prefix + 2));
        error_ = error_.substr(1, error_.size() - 2);
        return false;
    }

  private:
    Json* Place(Json value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Json& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        // The key is new (see key()), so append without looking through the others.
        auto& members = parent.get_ref<Json::object_t&>();
        members.Container::emplace_back(std::move(key_), std::move(value));
        return &members.Container::back().second;
    }
    bool Add(Json value) {
        Place(std::move(value));
        return true;
    }
    bool Open(Json value) {
        if (open_.size() >= depth_limit_) {
            error_ = Cat("nested deeper than ", depth_limit_, " levels");
            return false;
        }
        open_.push_back(Place(std::move(value)));
        keys_.emplace_back();
        return true;
    }
    bool Close() {
        open_.pop_back();
        keys_.pop_back();
        return true;
    }

    Json& root_;
    const size_t depth_limit_;
    // Pointers stay valid: a container only grows at its end while its last element is closed.
    std::vector<Json*> open_;
    std::vector<std::set<std::string>> keys_;
    std::string key_;
    std::string error_;
};

Failure WrongType(std::string_view key, std::string_view expected) {
    return Fail(Cat(Quoted(key), " must be ", expected));
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.bytes)
        return Fail(Cat("JSON of ", text.size(), " bytes, at most ", limits.bytes, " are allowed"),
                    EFBIG);
    if (text.starts_with("\xef\xbb\xbf"))  // the library would skip it; Go's decoder refuses it
        return Fail("invalid JSON: it begins with a byte order mark");
    if (text.find('\0') != std::string_view::npos)  // the library would take it for the end
        return Fail("invalid JSON: it holds a NUL byte");
    Json root;
    LimitedBuilder builder(root, limits.depth);
    bool good = false;
    try {
        good = Json::sax_parse(text, &builder);
    } catch (const std::exception& e) {
        return Fail(Cat("invalid JSON: ", e.what()));
    }
    if (!good)
        return Fail(Cat("invalid JSON: ", builder.error().empty() ? "cut short" : builder.error()));
    return root;
}

std::string DumpJson(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string DumpJsonPretty(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> StringMember(const Json& object, std::string_view key,
                                 std::string_view fallback) {
    const Json* value = Member(object, key);
    if (value == nullptr) return std::string(fallback);
    if (!value->is_string()) return WrongType(key, "a string");
    return value->get<std::string>();
}

Result<std::string> TextMember(const Json& object, std::string_view key,
                               std::string_view fallback) {
    CC_ASSIGN(std::string text, StringMember(object, key, fallback));
    if (text.find('\0') != std::string::npos) return Fail(Cat(Quoted(key), " holds a NUL byte"));
    return text;
}

Result<std::vector<std::string>> TextsMember(const Json& object, std::string_view key) {
    CC_ASSIGN(auto texts, StringsMember(object, key));
    for (const auto& text : texts)
        if (text.find('\0') != std::string::npos)
            return Fail(Cat(Quoted(key), " holds a NUL byte, in ", Quoted(text)));
    return texts;
}

Result<bool> BoolMember(const Json& object, std::string_view key, bool fallback) {
    const Json* value = Member(object, key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) return WrongType(key, "true or false");
    return value->get<bool>();
}

Result<int64_t> IntMember(const Json& object, std::string_view key, int64_t fallback, int64_t low,
                          int64_t high) {
    const Json* value = Member(object, key);
    if (value == nullptr) return fallback;
    if (!value->is_number_integer()) return WrongType(key, "an integer");
    const bool huge = value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX};
    const int64_t number = huge ? 0 : value->get<int64_t>();
    if (huge || number < low || number > high)
        return Fail(Cat(Quoted(key), " must lie between ", low, " and ", high));
    return number;
}

Result<uint32_t> UnsignedMember(const Json& object, std::string_view key, uint32_t fallback,
                                uint32_t high) {
    CC_ASSIGN(const int64_t value, IntMember(object, key, fallback, 0, high));
    return static_cast<uint32_t>(value);
}

Result<std::vector<std::string>> StringsMember(const Json& object, std::string_view key) {
    std::vector<std::string> strings;
    const Json* value = Member(object, key);
    if (value == nullptr) return strings;
    if (!value->is_array()) return WrongType(key, "an array of strings");
    for (const auto& element : *value) {
        if (!element.is_string()) return WrongType(key, "an array of strings");
        strings.push_back(element.get<std::string>());
    }
    return strings;
}

Result<const Json*> ObjectMember(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    if (value != nullptr && !value->is_object()) return WrongType(key, "an object");
    return value;
}

Result<const Json*> ArrayMember(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    if (value != nullptr && !value->is_array()) return WrongType(key, "an array");
    return value;
}

Result<std::vector<const Json*>> ObjectsMember(const Json& object, std::string_view key) {
    std::vector<const Json*> elements;
    CC_ASSIGN(const Json* list, ArrayMember(object, key));
    if (list == nullptr) return elements;
    for (const auto& element : *list) {
        if (!element.is_object())
            return Fail(Cat(key, "[", elements.size(), "] must be an object"));
        elements.push_back(&element);
    }
    return elements;
}

}  // namespace cc

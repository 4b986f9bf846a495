// SPDX-License-Identifier: Apache-2.0
// Typed access to JSON documents: an absent key is the default, a wrong type is an error that names
// the key.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"

namespace cc {

// The member, or null when it is absent or JSON null.
inline const Json* Member(const Json& object, std::string_view key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::string> StringMember(const Json& object, std::string_view key,
                                 std::string_view fallback = "");
// For what becomes a C string: one with a NUL byte in it is an error, too.
Result<std::string> TextMember(const Json& object, std::string_view key,
                               std::string_view fallback = "");
Result<std::vector<std::string>> TextsMember(const Json& object, std::string_view key);
Result<bool> BoolMember(const Json& object, std::string_view key, bool fallback = false);
// Integers must lie in [low, high].
Result<int64_t> IntMember(const Json& object, std::string_view key, int64_t fallback, int64_t low,
                          int64_t high);
// Not negative, `high` at most.
Result<uint32_t> UnsignedMember(const Json& object, std::string_view key, uint32_t fallback,
                                uint32_t high);
Result<std::vector<std::string>> StringsMember(const Json& object, std::string_view key);
// An object or an array; null when absent.
Result<const Json*> ObjectMember(const Json& object, std::string_view key);
Result<const Json*> ArrayMember(const Json& object, std::string_view key);

// The elements of a list, each of which must be an object.
Result<std::vector<const Json*>> ObjectsMember(const Json& object, std::string_view key);
// What `read` makes of each of them; its error is said of that one: "devices[2]: ...".
template <class Read, class Value = typename std::invoke_result_t<Read, const Json&>::value_type>
Result<std::vector<Value>> ListMember(const Json& object, std::string_view key, const Read& read) {
    std::vector<Value> list;
    CC_ASSIGN(const auto elements, ObjectsMember(object, key));
    for (const Json* element : elements) {
        CC_ASSIGN(Value value, Context(Cat(key, "[", list.size(), "]"), read(*element)));
        list.push_back(std::move(value));
    }
    return list;
}

}  // namespace cc

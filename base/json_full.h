// SPDX-License-Identifier: Apache-2.0
// Typed access to JSON documents: an absent key is the default, a wrong type is an error that names
// the key.
#pragma once

#include <cstdint>
#include <optional>
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
Result<std::vector<std::string>> StringsMember(const Json& object, std::string_view key);
// An object or an array; null when absent.
Result<const Json*> ObjectMember(const Json& object, std::string_view key);
Result<const Json*> ArrayMember(const Json& object, std::string_view key);

}  // namespace cc

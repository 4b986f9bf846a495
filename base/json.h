// SPDX-License-Identifier: Apache-2.0
// JSON with limits. Objects keep the order of their keys, because 3.0's encoders have a fixed one.
//
// Only .cc files that build or take apart documents include base/json_full.h, which is heavy to
// compile.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace cc {

using Json = nlohmann::ordered_json;

struct JsonLimits {
    size_t bytes = 1 << 20;
    size_t depth = 64;
};

// Strict JSON (RFC 8259), no comments, no duplicate keys in an object.
Result<Json> ParseJson(std::string_view text, const JsonLimits& limits = {});
// Compact; bytes that are not UTF-8 become U+FFFD.
std::string DumpJson(const Json& json);
std::string DumpJsonPretty(const Json& json, int indent);

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// JSON as Go's encoding/json reads and writes it, which is what 3.0's peers use. For the .cc files
// of protocol/ only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_full.h"

namespace cc {

// The last member whose key matches without regard to case and is not null, as Go's decoder takes
// it; null when there is none.
const Json* GoMember(const Json& object, std::string_view key);

// Whether a Go peer takes the two keys for the same.
bool SameGoKey(std::string_view a, std::string_view b);

// Refuses an object with two keys that a Go peer takes for the same: it would look at the last of
// them, so what was checked here could be overruled there.
Result<void> RefuseTwinKeys(const Json& object);

// Reads members one after another; the first wrong type is remembered and Finish() reports it.
class GoReader {
  public:
    explicit GoReader(const Json& object) : object_(object) {}

    std::string String(std::string_view key);
    bool Bool(std::string_view key);
    int64_t Int(std::string_view key);
    uint64_t Unsigned(std::string_view key);
    std::vector<std::string> Strings(std::string_view key);
    const Json* Object(std::string_view key);  // null when absent
    const Json* Array(std::string_view key);
    void Remember(Error error) {
        if (!error_) error_ = std::move(error);
    }
    // `message` names the whole thing in the error.
    Result<void> Finish(std::string_view message) const;

  private:
    const Json* Typed(std::string_view key, bool (*is_type)(const Json&), std::string_view type);
    const Json& object_;
    std::optional<Error> error_;
};

// Parses an object; an empty payload or another type is an error.
Result<Json> ParseGoObject(std::string_view payload);

// Compact, with Go's escapes of <, > and &.
std::string DumpGo(const Json& json);
// nil slices are null on the wire.
Json GoStrings(const std::vector<std::string>& strings);

// The raw text of a member of a JSON object that is known to be valid, white space around it
// removed; empty when absent. Keys match as in GoMember, however they are written, and the last one
// counts, but here null is a value.
std::string_view RawMember(std::string_view object, std::string_view key);

}  // namespace cc

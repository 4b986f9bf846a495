// SPDX-License-Identifier: Apache-2.0
// Settings in a TOML file that somebody else wrote, made so that all else in it stays byte for
// byte: each line that is added says so at its end, each line that is replaced stays as a comment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc::runtime {

struct TomlSetting {
    std::vector<std::string> table;  // {"engine", "runtimes"}
    std::string key;
    std::string value;  // as it stands in the file: "\"text\"", "true", "[1, 2]"
};

// The text with these settings. `path` is for errors, which name the line.
Result<std::string> SetInToml(std::string text, const std::string& path,
                              const std::vector<TomlSetting>& settings);
// The text without what SetInToml added, and with what it replaced.
std::string UnsetInToml(std::string_view text);

// "text" as a TOML string.
std::string TomlString(std::string_view text);

}  // namespace cc::runtime

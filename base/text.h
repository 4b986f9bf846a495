// SPDX-License-Identifier: Apache-2.0
// Small helpers on text.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cc {

namespace internal {
inline void Append(std::string& out, std::string_view text) {
    out.append(text);
}
inline void Append(std::string& out, char c) {
    out.push_back(c);
}
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void Append(std::string& out, T number) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out.append(digits, end);
}
}  // namespace internal

// Joins texts, characters and integers (in decimal).
template <class... Parts>
std::string Cat(const Parts&... parts) {
    std::string out;
    (internal::Append(out, parts), ...);
    return out;
}

// Text that a peer or a user controls, made safe for a terminal and a log line: in double quotes,
// control characters and invalid UTF-8 as \xNN, cut after `limit` bytes of input (an ellipsis says
// so).
std::string Quoted(std::string_view text, size_t limit = 256);

std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view Trim(std::string_view text);  // white space at both ends

// The whole text as a decimal number; nothing when it is anything else or does not fit.
template <std::integral T>
std::optional<T> ParseNumber(std::string_view text) {
    T value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
        return std::nullopt;
    return value;
}

std::string HexEncode(std::string_view bytes);
// Pairs of hex digits, white space between them ignored; nothing when there is anything else.
std::optional<std::string> HexDecode(std::string_view text);

// FNV-1a, 64 bit: names directories after long keys. Not for secrets, not against collisions by
// intent.
uint64_t Fnv1a64(std::string_view text);

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "runtime/duration.h"

#include <charconv>

namespace cc::runtime {

namespace {

struct Unit {
    std::string_view name;
    double nanoseconds;
};
// "ms" before "m", which it begins with.
constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
                           {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9}};
constexpr double kLongest = 9e18;

const Unit* TakeUnit(std::string_view& text) {
    for (const auto& unit : kUnits)
        if (text.starts_with(unit.name)) {
            text.remove_prefix(unit.name.size());
            return &unit;
        }
    return nullptr;
}

}  // namespace

std::optional<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return std::chrono::nanoseconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        // from_chars would take "inf" and a sign, too.
        if ((text[0] < '0' || text[0] > '9') && text[0] != '.') return std::nullopt;
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number,
                                                  std::chars_format::fixed);
        if (error != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<size_t>(end - text.data()));
        const Unit* unit = TakeUnit(text);
        if (unit == nullptr) return std::nullopt;
        total += number * unit->nanoseconds;
    }
    if (total > kLongest) return std::nullopt;
    return std::chrono::nanoseconds(static_cast<int64_t>(negative ? -total : total));
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace cc::bench {

constexpr double kMegabyte = 1024 * 1024;
constexpr double kMilli = 1e3;  // milliseconds in a second
constexpr double kMicro = 1e6;

// The value below which this share of them lies.
inline double Quantile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    const auto at = static_cast<size_t>(share * static_cast<double>(values.size()));
    return values.at(std::min(at, values.size() - 1));
}
inline double Median(std::vector<double> values) {
    return Quantile(std::move(values), 0.5);
}

}  // namespace cc::bench

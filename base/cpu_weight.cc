// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_weight.h"

#include <cmath>

namespace cc {

int64_t WeightOfShares(int64_t shares) {
    constexpr int64_t kFewest = 2, kMost = 262144, kLightest = 1, kHeaviest = 10000;
    if (shares <= kFewest) return kLightest;
    if (shares >= kMost) return kHeaviest;
    // The curve that runc, crun and systemd agreed on: a parabola in the logarithms through
    // (2, 1), (1024, 100) and (262144, 10000).
    const double log = std::log2(static_cast<double>(shares));
    const double exponent = (log * log + 125 * log) / 612 - 7.0 / 34;
    return static_cast<int64_t>(std::ceil(std::pow(10, exponent)));
}

}  // namespace cc

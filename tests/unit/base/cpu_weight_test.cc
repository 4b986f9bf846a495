// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_weight.h"

#include <doctest/doctest.h>

namespace cc {

TEST_CASE("shares follow the curve between the smallest, the default and the largest weight") {
    CHECK(WeightOfShares(0) == 1);
    CHECK(WeightOfShares(2) == 1);
    CHECK(WeightOfShares(512) == 59);
    CHECK(WeightOfShares(1024) == 100);
    CHECK(WeightOfShares(2048) == 174);
    CHECK(WeightOfShares(262144) == 10000);
    CHECK(WeightOfShares(INT64_MAX) == 10000);
}

}  // namespace cc

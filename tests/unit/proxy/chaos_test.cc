// SPDX-License-Identifier: Apache-2.0
// From fixed seeds: nothing may crash, no bound may be passed, and when all have gone nothing may
// be left.
#include "tests/unit/proxy/chaos.h"

#include <random>

#include <doctest/doctest.h>

namespace cc::proxy {

TEST_CASE("whatever happens in whatever order, nothing is left in the end") {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Chaos chaos([&](uint64_t below) {
            return std::uniform_int_distribution<uint64_t>(0, below - 1)(random);
        });
        for (int i = 0; i < 1500; ++i) {
            const std::string broken = chaos.Step();
            REQUIRE_MESSAGE(broken.empty(), broken);
        }
        const std::string left = chaos.End();
        CHECK_MESSAGE(left.empty(), left);
    }
}

}  // namespace cc::proxy

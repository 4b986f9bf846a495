// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/shim/chaos.h"

#include <random>

#include <doctest/doctest.h>

namespace cc::shim {

TEST_CASE("whatever a proxy, readers and signals do, a shim relays in order and ends well") {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        // A connection that was answered well, in every other one.
        std::string choices = seed % 2 == 0 ? "0aaw2" : "0";
        for (int i = 0; i < 300; ++i)
            choices += static_cast<char>(random());
        const std::string broken = Chaos(choices).Run();
        CHECK_MESSAGE(broken.empty(), broken);
    }
}

}  // namespace cc::shim

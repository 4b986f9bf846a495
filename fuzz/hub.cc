// SPDX-License-Identifier: Apache-2.0
// The router's whole state machine: the input's bytes choose what clients, agents and the clock do
// and when the proxy dies (tests/unit/proxy/chaos.h). Bounds hold after each step, and when all
// have gone nothing is left.
#include "base/log.h"
#include "fuzz/target.h"
#include "tests/unit/proxy/chaos.h"

namespace cc::fuzz {

namespace {
constexpr size_t kMaxSteps = 400;
}

int FuzzHub(std::string_view input) {
    // What a peer makes the proxy say is the proxy's business; here it would take most of the time.
    static const bool quiet = [] {
        LogOptions options;
        options.name = "hub";
        options.level = LogLevel::kError;
        return StartLog(options).has_value();
    }();
    CC_FUZZ_CHECK(quiet);
    proxy::Chaos chaos([&](uint64_t below) -> uint64_t {
        // As many bytes as the choice needs, so that a changed byte changes one choice.
        uint64_t value = 0;
        for (uint64_t range = 1; range < below && !input.empty(); range <<= 8) {
            value = value << 8 | static_cast<unsigned char>(input.front());
            input.remove_prefix(1);
        }
        return value % below;
    });
    for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) {
        const std::string broken = chaos.Step();
        CC_FUZZ_CHECK(broken.empty());
    }
    const std::string left = chaos.End();
    CC_FUZZ_CHECK(left.empty());
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzHub)

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
    proxy::BytesAsDice bytes(input);
    proxy::Chaos chaos([&](uint64_t below) { return bytes.Pick(below); });
    for (size_t step = 0; step < kMaxSteps && !bytes.empty(); ++step) {
        const std::string broken = chaos.Step();
        CC_FUZZ_CHECK(broken.empty());
    }
    const std::string left = chaos.End();
    CC_FUZZ_CHECK(left.empty());
    return 0;
}

}  // namespace cc::fuzz

CC_FUZZ_TARGET(FuzzHub)

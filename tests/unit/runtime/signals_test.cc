// SPDX-License-Identifier: Apache-2.0
#include "runtime/signals.h"

#include <csignal>

#include <doctest/doctest.h>

namespace cc::runtime {

TEST_CASE("signals are understood by name, with and without SIG, in any case, and by number") {
    const std::pair<const char*, int> good[] = {
        {"KILL", 9},   {"SIGKILL", 9}, {"sigkill", 9},     {"9", 9},
        {"0", 0},      {"TERM", 15},   {"USR1", 10},       {"IOT", 6},
        {"POLL", 29},  {"RTMIN", 34},  {"SIGRTMIN+3", 37}, {"RTMAX-1", 63},
        {"RTMAX", 64}, {"64", 64},     {"CLD", 17},        {"RTMIN+30", 64},
    };
    for (const auto& [text, number] : good) {
        CAPTURE(text);
        const auto parsed = ParseSignal(text);
        REQUIRE(parsed);
        CHECK(*parsed == number);
    }
    for (const char* text : {"", "SIG", "KILLX", "65", "-1", "9x", "RTMIN+31", "RTMAX-31", "RTMIN+",
                             "RTMIN-1", "SIGSIGKILL"}) {
        CAPTURE(text);
        CHECK_FALSE(ParseSignal(text));
    }
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/clock.h"

#include <cstdio>
#include <ctime>

namespace cc::runtime {

std::string NowRfc3339() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char seconds[32], text[48];
    std::strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text, sizeof text, "%s.%09ldZ", seconds, now.tv_nsec);
    return text;
}

int64_t UnixTimeNs() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

}  // namespace cc::runtime

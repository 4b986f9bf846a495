// SPDX-License-Identifier: Apache-2.0
// What the host a VM runs on can do.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cc {

struct HostCpu {
    std::set<std::string, std::less<>> flags;  // of the first CPU
    int64_t count = 0;

    bool Has(std::string_view flag) const { return flags.contains(flag); }
    // The time stamp counter runs at one rate whatever the CPU does.
    bool StableTsc() const { return Has("constant_tsc") && Has("nonstop_tsc"); }
};
Result<HostCpu> ReadHostCpu(const std::string& cpuinfo = "/proc/cpuinfo");

Result<int64_t> ReadHostMemoryMib(const std::string& meminfo = "/proc/meminfo");

// The rate of the host's time stamp counter, which an emulated guest sees as its own. "cpu MHz" of
// /proc/cpuinfo is the clock of the moment, and nothing else in /proc or /sys names the rate, so it
// is measured between construction and Khz(), which waits until they are far enough apart for an
// error below 0.02 %. Start it first, ask last.
class TscMeasurement {
  public:
    TscMeasurement();
    int64_t Khz() const;

  private:
    struct Sample {
        int64_t nanoseconds;
        uint64_t ticks;
    };
    static Sample Take();
    Sample start_;
};

}  // namespace cc

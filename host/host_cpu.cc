// SPDX-License-Identifier: Apache-2.0
#include "host/host_cpu.h"

#include <chrono>
#include <ctime>
#include <thread>

#include <x86intrin.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

// A machine of a thousand CPUs has about 2 MB of it.
constexpr size_t kMaxCpuinfo = 64 << 20;
// A sample is good to about 100 ns.
constexpr int64_t kMeasureNanoseconds = 2'000'000;

int64_t MonotonicRaw() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Result<HostCpu> ReadHostCpu(const std::string& cpuinfo) {
    CC_ASSIGN(const std::string text, ReadFile(cpuinfo, kMaxCpuinfo));
    HostCpu cpu;
    for (const auto& line : Split(text, '\n')) {
        const size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const auto key = Trim(std::string_view(line).substr(0, colon));
        if (key == "processor") ++cpu.count;
        if (key == "flags" && cpu.flags.empty())
            for (auto& flag : Split(Trim(std::string_view(line).substr(colon + 1)), ' '))
                cpu.flags.insert(std::move(flag));
    }
    if (cpu.count == 0) return Fail(Cat(cpuinfo, " names no processor"));
    return cpu;
}

Result<int64_t> ReadHostMemoryMib(const std::string& meminfo) {
    CC_ASSIGN(const std::string text, ReadFile(meminfo, 1 << 20));
    constexpr std::string_view key = "MemTotal:";
    for (const auto& line : Split(text, '\n')) {
        if (!line.starts_with(key)) continue;
        auto value = Trim(std::string_view(line).substr(key.size()));
        value = value.substr(0, value.find(' '));
        if (const auto kib = ParseNumber<int64_t>(value); kib && *kib > 0) return *kib / 1024;
    }
    return Fail(Cat(meminfo, " has no line MemTotal"));
}

TscMeasurement::TscMeasurement() : start_(Take()) {}

TscMeasurement::Sample TscMeasurement::Take() {
    // The tightest of a few bracketed readings: an interrupt in the middle of one makes it a wide
    // one.
    Sample best{};
    int64_t width = INT64_MAX;
    for (int i = 0; i < 8; ++i) {
        const int64_t before = MonotonicRaw();
        const uint64_t ticks = __rdtsc();
        const int64_t after = MonotonicRaw();
        if (after - before >= width) continue;
        width = after - before;
        best = {before + width / 2, ticks};
    }
    return best;
}

int64_t TscMeasurement::Khz() const {
    const int64_t early = kMeasureNanoseconds - (MonotonicRaw() - start_.nanoseconds);
    if (early > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(early));
    const Sample end = Take();
    return static_cast<int64_t>(static_cast<double>(end.ticks - start_.ticks) * 1e6 /
                                static_cast<double>(end.nanoseconds - start_.nanoseconds));
}

}  // namespace cc

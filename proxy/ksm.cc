// SPDX-License-Identifier: Apache-2.0
#include "proxy/ksm.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace cc::proxy {

namespace {

constexpr std::array<std::pair<KsmMode, std::string_view>, 3> kModes{
    {{KsmMode::kOff, "off"}, {KsmMode::kInitial, "initial"}, {KsmMode::kAuto, "auto"}}};

constexpr std::string_view kRun = "run";
constexpr std::string_view kPagesToScan = "pages_to_scan";
constexpr std::string_view kSleep = "sleep_millisecs";
constexpr uint64_t kStopped = 0;
constexpr uint64_t kMerging = 1;
constexpr uint64_t kTakenApart = 2;
constexpr uint64_t kMost = std::numeric_limits<unsigned>::max();  // the kernel's type

constexpr size_t kMaxNumberFile = 4096;
constexpr std::string_view kAnonPages = "AnonPages:";
constexpr uint64_t kKilobyte = 1024;

KsmValues Merging(uint64_t pages, uint64_t sleep) {
    // None at a time would be a loop that does nothing.
    return {kMerging, std::clamp<uint64_t>(pages, 1, kMost), sleep};
}

}  // namespace

std::optional<KsmMode> ParseKsmMode(std::string_view text) {
    for (const auto& [mode, name] : kModes)
        if (name == text) return mode;
    return std::nullopt;
}

std::string_view KsmModeName(KsmMode mode) {
    for (const auto& [known, name] : kModes)
        if (known == mode) return name;
    return "";
}

bool Plausible(const KsmValues& values) {
    return values.run <= kTakenApart && values.pages_to_scan <= kMost &&
           values.sleep_millisecs <= kMost;
}

KsmValues ValuesFor(KsmPace pace, uint64_t anonymous_pages) {
    switch (pace) {
        case KsmPace::kSlow:
            return Merging(anonymous_pages / 500, 100);
        case KsmPace::kStandard:
            return Merging(anonymous_pages / 100, 10);
        case KsmPace::kAggressive:
            return Merging(anonymous_pages / 10, 1);
        case KsmPace::kOff:
        case KsmPace::kInitial:
            break;
    }
    return {};
}

Result<uint64_t> AnonymousPages(std::string_view meminfo, uint64_t page_size) {
    for (const auto& line : Split(meminfo, '\n')) {
        std::string_view rest = line;
        if (!rest.starts_with(kAnonPages)) continue;
        rest.remove_prefix(kAnonPages.size());
        if (!rest.ends_with(" kB")) break;
        rest.remove_suffix(3);
        const auto kilobytes = ParseNumber<uint64_t>(Trim(rest));
        if (!kilobytes || *kilobytes > std::numeric_limits<uint64_t>::max() / kKilobyte) break;
        return *kilobytes * kKilobyte / page_size;
    }
    return Fail("AnonPages is missing or no number of kB");
}

std::string KsmFiles::Path(std::string_view file) const {
    return Cat(root_, "/", file);
}

Result<uint64_t> KsmFiles::ReadNumber(std::string_view file) const {
    CC_ASSIGN(const std::string text, ReadFile(Path(file), kMaxNumberFile));
    const auto number = ParseNumber<uint64_t>(Trim(text));
    if (!number) return Fail(Cat("reading ", Path(file), ": ", Quoted(text), " is no number"));
    return *number;
}

Result<void> KsmFiles::WriteNumber(std::string_view file, uint64_t value) const {
    CC_ASSIGN(const Fd fd, OpenFile(Path(file), O_WRONLY | O_TRUNC));
    return Context(Cat("writing ", value, " to ", Path(file)), WriteAll(fd.get(), Cat(value)));
}

Result<KsmValues> KsmFiles::Read() const {
    KsmValues values;
    CC_ASSIGN(values.run, ReadNumber(kRun));
    CC_ASSIGN(values.pages_to_scan, ReadNumber(kPagesToScan));
    CC_ASSIGN(values.sleep_millisecs, ReadNumber(kSleep));
    return values;
}

Result<void> KsmFiles::Write(const KsmValues& values) const {
    CC_TRY(Stop());
    CC_TRY(WriteNumber(kPagesToScan, values.pages_to_scan));
    CC_TRY(WriteNumber(kSleep, values.sleep_millisecs));
    return WriteNumber(kRun, values.run);
}

Result<void> KsmFiles::Stop() const {
    return WriteNumber(kRun, kStopped);
}

Result<void> KsmFiles::Correct(std::string_view file, uint64_t value) const {
    const auto now = ReadNumber(file);
    if (now && *now == value) return {};
    return WriteNumber(file, value);
}

Result<void> KsmFiles::PutBack(const KsmValues& values) const {
    Result<void> first = Stop();
    for (auto done : {Correct(kPagesToScan, values.pages_to_scan),
                      Correct(kSleep, values.sleep_millisecs), Correct(kRun, values.run)})
        if (first && !done) first = std::move(done);
    return first;
}

}  // namespace cc::proxy

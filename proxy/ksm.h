// SPDX-License-Identifier: Apache-2.0
// Kernel same-page merging: the kernel's switch and how hard it works (reference A11). Values and
// files only; who turns what and when is in ksm_tuner.h and ksm_throttle.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cc::proxy {

// -ksm
enum class KsmMode {
    kOff,      // nothing is merged as long as the proxy runs
    kInitial,  // left as it was found
    kAuto,     // fast after each VM's start, then slower, then as it was found
};
std::optional<KsmMode> ParseKsmMode(std::string_view text);
std::string_view KsmModeName(KsmMode mode);

enum class KsmPace { kInitial, kOff, kSlow, kStandard, kAggressive };

// What the three files hold.
struct KsmValues {
    uint64_t run = 0;            // 0 stopped, 1 merging, 2 stopped and everything taken apart
    uint64_t pages_to_scan = 0;  // at a time
    uint64_t sleep_millisecs = 0;
    bool operator==(const KsmValues&) const = default;
};
// Whether the kernel could have had them: what comes from a file of ours is checked.
bool Plausible(const KsmValues& values);

// `anonymous_pages`: those of the whole machine, each of which a slow, standard or aggressive scan
// shall see once in 500, 100 or 10 rounds.
KsmValues ValuesFor(KsmPace pace, uint64_t anonymous_pages);
// AnonPages of /proc/meminfo, in pages.
Result<uint64_t> AnonymousPages(std::string_view meminfo, uint64_t page_size);

// Writing `run` waits for the round that the kernel is in, which can take seconds.
class KsmFiles {
  public:
    explicit KsmFiles(std::string root) : root_(std::move(root)) {}
    std::string RunPath() const { return Path("run"); }

    Result<KsmValues> Read() const;
    // Stopped first, so that no round runs with one old and one new value.
    Result<void> Write(const KsmValues& values) const;
    Result<void> Stop() const;
    // As much of it as can be done; the error is the first one. A value that is right already is
    // not written: the kernel's own advisor, where it is on, refuses that.
    Result<void> PutBack(const KsmValues& values) const;

  private:
    std::string Path(std::string_view file) const;
    Result<uint64_t> ReadNumber(std::string_view file) const;
    Result<void> WriteNumber(std::string_view file, uint64_t value) const;
    Result<void> Correct(std::string_view file, uint64_t value) const;

    std::string root_;
};

}  // namespace cc::proxy

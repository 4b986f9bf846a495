// SPDX-License-Identifier: Apache-2.0
// The file `failed` in a template's directory: why a keeper could not make the template, so that
// those who come soon after need not wait for another try.
//
//   {"boot_seconds":1234,"error":"what, where, why"}
//
// The time is that since the host's boot (CLOCK_BOOTTIME), which nobody sets: a wall clock that
// jumps makes a failure neither older nor younger. A template's key names the boot, so that times
// of different boots do not meet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cc {

// Until a template that could not be made is tried again.
constexpr int64_t kTemplateFailureCounts = 600;  // seconds

struct TemplateFailure {
    int64_t boot_seconds = 0;
    std::string error;

    // Also false for a time that is yet to come: it was not written on this host's clock.
    bool Counts(int64_t now) const {
        return now >= boot_seconds && now - boot_seconds <= kTemplateFailureCounts;
    }
};
std::string Encode(const TemplateFailure& failure);
Result<TemplateFailure> ParseTemplateFailure(std::string_view text);

int64_t SecondsSinceBoot();

// In this directory of a template. Reading: an error where there is none, or it is no such file.
Result<void> WriteTemplateFailure(const std::string& directory, const std::string& why);
Result<TemplateFailure> ReadTemplateFailure(const std::string& directory);

}  // namespace cc

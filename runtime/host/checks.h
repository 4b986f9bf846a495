// SPDX-License-Identifier: Apache-2.0
// Whether containers can run on this machine, and how well (`check`).
#pragma once

#include <string>
#include <vector>

#include "runtime/config.h"

namespace cc::runtime {

enum class Verdict { kOk, kWarn, kFail };  // kFail: a container could not run

struct Check {
    std::string subject;
    Verdict verdict = Verdict::kOk;
    std::string finding;  // what is the case and, when that is bad, what to do
};

std::vector<Check> CheckHost(const RuntimeConfig& config);

// "OK   hypervisor: ..." and so on, one a line.
std::string Table(const std::vector<Check>& checks);
bool AllWell(const std::vector<Check>& checks);  // nothing fails

// Parts of CheckHost() that can be tried on recorded texts.
Check CheckKernelRelease(const std::string& release);
Check CheckMemory(std::string_view meminfo, int64_t wanted_mib);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// What this installation is made of (`env`): 3.0's structure, with a few keys more.
#pragma once

#include <string>

#include "base/json.h"
#include "runtime/config.h"

namespace cc::runtime {

// Never fails: what cannot be found out is "<<unknown>>", as with 3.0.
Json DescribeEnvironment(const RuntimeConfig& config);

// Objects become tables, texts, numbers and booleans their values.
std::string ToToml(const Json& object);

// A key of os-release(5), as NAME or VERSION_ID; empty when it is not there.
std::string OsReleaseValue(std::string_view text, std::string_view key);
// A key of the first processor in /proc/cpuinfo.
std::string CpuinfoValue(std::string_view text, std::string_view key);

}  // namespace cc::runtime

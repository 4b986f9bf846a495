// SPDX-License-Identifier: Apache-2.0
// Running a helper program to its end: input in, and what it said in the error when it fails.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/process.h"

namespace cc {

// Standard input is a file that holds `input`, so a program that reads none of it is no trouble;
// standard output and standard error are caught. The program has a process group of its own, which
// is killed when the deadline has come, or the caller catches a signal. An exit status other than 0
// is an error, and so is a signal. Processes that it leaves behind are not waited for.
Result<void> RunToEnd(SpawnOptions options, std::string_view input,
                      std::optional<std::chrono::milliseconds> deadline);

}  // namespace cc

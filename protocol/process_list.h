// SPDX-License-Identifier: Apache-2.0
// The answer to PSCONTAINER with the format kProcessListFormat (extension 7): the processes of a
// container as the guest's kernel tells of them; how they are shown is the runtime's business.
#pragma once

#include <string>
#include <string_view>

#include "base/process_table.h"
#include "base/result.h"

namespace cc {

constexpr std::string_view kProcessListFormat = "list";
// The one of the "psargs" that means something then: an entry for each thread.
constexpr std::string_view kThreadsArgument = "-L";
// What is longer of a command line is cut.
constexpr size_t kLongestCommand = 4096;

std::string Encode(const ProcessList& list);
Result<ProcessList> ParseProcessList(std::string_view payload);

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// Lists of processes for PSCONTAINER, from /proc: there is no ps program in the guest.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/process_table.h"

namespace cc::agent {

// What the kernel says of these processes now; those that have ended meanwhile are left out.
// `threads`: an entry for each thread.
ProcessList ReadProcesses(const std::vector<pid_t>& pids, bool threads);

// "[1,7,42]"
std::string ProcessesAsJson(const std::vector<pid_t>& pids);
// As `ps -ef` prints it: a header and a line a process.
std::string ProcessesAsTable(const std::vector<pid_t>& pids);

// From the text of /proc/PID/stat, a tick being 1/`ticks_per_second` seconds and a page
// `page_kib`; nothing when it is not as expected.
std::optional<ProcessEntry> ParseProcStat(std::string_view stat, int64_t ticks_per_second,
                                          int64_t page_kib);
// Ids and memory, of /proc/PID/status.
void AddProcStatus(std::string_view status, ProcessEntry& entry);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Lists of processes for PSCONTAINER. There is no ps program in the guest, so its table is made
// here from /proc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace cc::agent {

// "[1,7,42]"
std::string ProcessesAsJson(const std::vector<pid_t>& pids);
// As `ps -ef` prints it: a header and a line a process. Processes that have ended meanwhile are
// left out.
std::string ProcessesAsTable(const std::vector<pid_t>& pids);

struct ProcessStatus {
    pid_t ppid = 0;
    std::string name;
    uint64_t terminal = 0;  // device number, 0: none
    uint64_t cpu_ticks = 0;
    uint64_t start_ticks = 0;  // since boot
};
// From the texts of /proc/PID/stat; nothing when it is not as expected.
std::optional<ProcessStatus> ParseProcStat(std::string_view stat);

}  // namespace cc::agent

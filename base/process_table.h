// SPDX-License-Identifier: Apache-2.0
// A list of processes as ps of procps-ng prints it, in the columns that are asked for. Nothing here
// reads processes: they may be those of another machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

// A process, or one of its threads. Times in milliseconds, memory in KiB.
struct ProcessEntry {
    int64_t pid = 0;
    int64_t tid = 0;  // the process's own number, or that of the thread
    int64_t ppid = 0;
    int64_t pgid = 0;
    int64_t sid = 0;
    int64_t foreground = 0;  // process group in the foreground of its terminal
    uint64_t terminal = 0;   // device number; 0: none
    std::string state;       // a letter
    int64_t threads = 0;
    int64_t priority = 0;  // as in /proc/PID/stat
    int64_t nice = 0;
    int64_t processor = 0;
    bool timesharing = true;  // has a nice value that means something
    bool locked = false;      // has pages locked into memory
    int64_t cpu_ms = 0;
    int64_t start_ms = 0;  // since the machine's boot
    int64_t virtual_kib = 0;
    int64_t resident_kib = 0;
    uint32_t uid = 0, gid = 0;            // effective
    uint32_t real_uid = 0, real_gid = 0;  // real
    std::string name;                     // at most 15 characters
    std::string command;                  // with arguments; empty: none is known
    bool operator==(const ProcessEntry&) const = default;
};

struct ProcessList {
    std::vector<ProcessEntry> processes;
    int64_t omitted = 0;  // processes that were too many to be told
    // Of the machine, when the list was made.
    int64_t boot_s = 0;  // since 1970
    int64_t uptime_ms = 0;
    int64_t memory_kib = 0;
    int64_t most_pid = 32768;  // sets the width of columns of process numbers
    bool operator==(const ProcessList&) const = default;
};

// Names of users and groups; who is not in them is shown by number.
struct ProcessNames {
    std::map<uint32_t, std::string> users, groups;
};

struct ProcessColumn {
    std::string name;  // a specifier of ps -o
    std::string heading;
    size_t width = 0;  // 0: as usual for it
};

// With the usual heading. Unknown: an error that says what is known.
Result<ProcessColumn> FindProcessColumn(std::string_view name);

// Heading (but when all headings are empty) and a line for each entry. What is not printable
// becomes a question mark.
std::string FormatProcesses(const ProcessList& list, const std::vector<ProcessColumn>& columns,
                            const ProcessNames& names = {});

// Those of `ps -ef`.
std::vector<ProcessColumn> FullProcessColumns();

}  // namespace cc

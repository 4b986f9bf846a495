// SPDX-License-Identifier: Apache-2.0
// What Go calls the signals of Linux: the words stand in 3.0's error texts (reference A5).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"

namespace cc::proxy {

inline std::string GoSignalName(int64_t number) {
    static constexpr std::array<std::string_view, 32> names{
        "",
        "hangup",
        "interrupt",
        "quit",
        "illegal instruction",
        "trace/breakpoint trap",
        "aborted",
        "bus error",
        "floating point exception",
        "killed",
        "user defined signal 1",
        "segmentation fault",
        "user defined signal 2",
        "broken pipe",
        "alarm clock",
        "terminated",
        "stack fault",
        "child exited",
        "continued",
        "stopped (signal)",
        "stopped",
        "stopped (tty input)",
        "stopped (tty output)",
        "urgent I/O condition",
        "CPU time limit exceeded",
        "file size limit exceeded",
        "virtual timer expired",
        "profiling timer expired",
        "window changed",
        "I/O possible",
        "power failure",
        "bad system call",
    };
    if (number <= 0 || number >= static_cast<int64_t>(names.size())) return Cat("signal ", number);
    return std::string(names[static_cast<size_t>(number)]);
}

}  // namespace cc::proxy

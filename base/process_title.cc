// SPDX-License-Identifier: Apache-2.0
#include "base/process_title.h"

#include <algorithm>
#include <cstring>

#include <sys/prctl.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

struct Area {
    char* begin;
    size_t size;
};

// Where the kernel looks for the command line: proc(5), fields 48 and 49 of /proc/PID/stat. The
// name, field 2, may hold anything, but ends at the last parenthesis.
Result<Area> ArgumentArea() {
    CC_ASSIGN(const std::string stat, ReadFile("/proc/self/stat", 4096));
    const auto fields = Split(Trim(stat.substr(stat.rfind(')') + 1)), ' ');
    constexpr size_t kStart = 48 - 3, kEnd = 49 - 3;
    if (fields.size() <= kEnd) return Fail("/proc/self/stat is too short");
    const auto start = ParseNumber<uintptr_t>(fields[kStart]).value_or(0);
    const auto end = ParseNumber<uintptr_t>(fields[kEnd]).value_or(0);
    if (start == 0 || end <= start) return Fail("/proc/self/stat hides the command line");
    return Area{reinterpret_cast<char*>(start), end - start};
}

}  // namespace

Result<void> SetProcessTitle(const std::string& name, const std::vector<std::string>& words) {
    CC_ASSIGN(const Area area, ArgumentArea());
    const std::string line = Join(words, std::string_view("\0", 1));
    // The last byte stays 0: otherwise the kernel takes the environment for more of it.
    const size_t size = std::min(line.size(), area.size - 1);
    std::memcpy(area.begin, line.data(), size);
    std::memset(area.begin + size, 0, area.size - size);
    if (::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0) < 0) return FailErrno("naming the process");
    return {};
}

}  // namespace cc

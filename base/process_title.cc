// SPDX-License-Identifier: Apache-2.0
#include "base/process_title.h"

#include <algorithm>
#include <cstring>

#include <linux/prctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

// The numbers of /proc/PID/stat from field 3 on (proc(5)). The name, field 2, may hold anything,
// but ends at the last parenthesis.
class OwnStat {
  public:
    static Result<OwnStat> Read() {
        CC_ASSIGN(const std::string text, ReadFile("/proc/self/stat", 4096));
        OwnStat stat;
        for (const auto& field : Split(Trim(text.substr(text.rfind(')') + 1)), ' '))
            stat.numbers_.push_back(ParseNumber<uint64_t>(field).value_or(0));
        if (stat.numbers_.size() <= kEnvironmentEnd - 3)
            return Fail("/proc/self/stat is too short");
        return stat;
    }
    uint64_t operator[](size_t field) const { return numbers_[field - 3]; }

    static constexpr size_t kCode = 26, kCodeEnd = 27, kStack = 28, kData = 45, kDataEnd = 46,
                            kHeap = 47, kArguments = 48, kArgumentsEnd = 49, kEnvironment = 50,
                            kEnvironmentEnd = 51;

  private:
    std::vector<uint64_t> numbers_;
};

// Tells the kernel that the command line is `size` bytes long. Unlike PR_SET_MM_ARG_END this needs
// no privilege, but a kernel with CONFIG_CHECKPOINT_RESTORE.
void Shorten(const OwnStat& stat, size_t size) {
    prctl_mm_map map{};
    map.start_code = stat[OwnStat::kCode];
    map.end_code = stat[OwnStat::kCodeEnd];
    map.start_stack = stat[OwnStat::kStack];
    map.start_data = stat[OwnStat::kData];
    map.end_data = stat[OwnStat::kDataEnd];
    map.start_brk = stat[OwnStat::kHeap];
    map.brk = reinterpret_cast<uint64_t>(::sbrk(0));
    map.arg_start = stat[OwnStat::kArguments];
    map.arg_end = map.arg_start + size;
    map.env_start = stat[OwnStat::kEnvironment];
    map.env_end = stat[OwnStat::kEnvironmentEnd];
    map.exe_fd = static_cast<uint32_t>(-1);
    // Without it zeros follow the words.
    (void)::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

}  // namespace

Result<void> SetProcessTitle(const std::string& name, const std::vector<std::string>& words) {
    CC_ASSIGN(const OwnStat stat, OwnStat::Read());
    auto* const begin = reinterpret_cast<char*>(stat[OwnStat::kArguments]);
    auto* const end = reinterpret_cast<char*>(stat[OwnStat::kArgumentsEnd]);
    if (begin == nullptr || end <= begin) return Fail("/proc/self/stat hides the command line");
    const auto room = static_cast<size_t>(end - begin);
    const std::string line = Join(words, std::string_view("\0", 1));
    // The last byte stays 0: otherwise the kernel takes the environment for more of it.
    const size_t size = std::min(line.size(), room - 1);
    std::copy_n(line.data(), size, begin);
    std::memset(begin + size, 0, room - size);
    Shorten(stat, size + 1);
    if (::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0) < 0) return FailErrno("naming the process");
    return {};
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "agent/ps.h"

#include <algorithm>
#include <ctime>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kLongestLine = 4096;

std::string Padded(std::string text, size_t width, bool right) {
    if (text.size() < width) text.insert(right ? 0 : text.size(), width - text.size(), ' ');
    return text;
}

std::string Two(uint64_t number) {
    return Cat(number < 10 ? "0" : "", number);
}

std::string TerminalName(uint64_t device) {
    if (device == 0) return "?";
    constexpr unsigned kPtsMajor = 136;
    if (major(device) >= kPtsMajor && major(device) < kPtsMajor + 8)
        return Cat("pts/", minor(device));
    return Cat(major(device), ",", minor(device));
}

std::string CommandLine(pid_t pid, const std::string& name) {
    std::string text =
        ReadFile(Cat("/proc/", pid, "/cmdline"), 1 << 20).value_or("").substr(0, kLongestLine);
    while (!text.empty() && text.back() == '\0')
        text.pop_back();
    if (text.empty()) return Cat("[", name, "]");
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
    return text;
}

// "12:34" on the same day, else "Nov22", in UTC as all of the guest.
std::string StartText(uint64_t start_ticks, uint64_t ticks_per_second) {
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    const std::time_t now = std::time(nullptr);
    const std::time_t start =
        now - boot.tv_sec + static_cast<std::time_t>(start_ticks / ticks_per_second);
    std::tm started{};
    std::tm today{};
    gmtime_r(&start, &started);
    gmtime_r(&now, &today);
    const bool same_day = started.tm_yday == today.tm_yday && started.tm_year == today.tm_year;
    char text[16];
    std::strftime(text, sizeof text, same_day ? "%H:%M" : "%b%d", &started);
    return text;
}

std::string Row(const std::string (&cells)[8]) {
    // Widths and alignment of procps' ps -ef.
    static constexpr struct {
        size_t width;
        bool right;
    } kColumns[7] = {{8, false}, {7, true}, {7, true}, {2, true}, {5, true}, {8, false}, {8, true}};
    std::string row;
    for (size_t i = 0; i < 7; ++i)
        row += Padded(cells[i], kColumns[i].width, kColumns[i].right) + " ";
    return row + cells[7] + "\n";
}

std::string Line(pid_t pid) {
    const std::string stat = ReadFile(Cat("/proc/", pid, "/stat"), 65536).value_or("");
    auto status = ParseProcStat(stat);
    struct stat directory {};
    if (!status || ::stat(Cat("/proc/", pid).c_str(), &directory) < 0) return {};
    const auto ticks = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
    const uint64_t seconds = status->cpu_ticks / ticks;
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    const auto uptime = static_cast<uint64_t>(boot.tv_sec);
    const uint64_t age =
        std::max<uint64_t>(1, uptime - std::min(uptime, status->start_ticks / ticks));
    return Row({directory.st_uid == 0 ? "root" : std::to_string(directory.st_uid),
                std::to_string(pid), std::to_string(status->ppid),
                std::to_string(std::min<uint64_t>(99, seconds * 100 / age)),
                StartText(status->start_ticks, ticks), TerminalName(status->terminal),
                Cat(Two(seconds / 3600), ":", Two(seconds / 60 % 60), ":", Two(seconds % 60)),
                CommandLine(pid, status->name)});
}

}  // namespace

std::string ProcessesAsJson(const std::vector<pid_t>& pids) {
    std::vector<std::string> texts;
    texts.reserve(pids.size());
    for (const pid_t pid : pids)
        texts.push_back(std::to_string(pid));
    return Cat("[", Join(texts, ","), "]");
}

std::string ProcessesAsTable(const std::vector<pid_t>& pids) {
    std::string table = Row({"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"});
    for (const pid_t pid : pids)
        table += Line(pid);
    return table;
}

std::optional<ProcessStatus> ParseProcStat(std::string_view stat) {
    // The name stands in parentheses and may hold some itself; fields count from the last one.
    const size_t open = stat.find('(');
    const size_t close = stat.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
        return std::nullopt;
    ProcessStatus status;
    status.name = stat.substr(open + 1, close - open - 1);
    const auto fields = Split(Trim(stat.substr(close + 1)), ' ');  // from field 3 of proc(5)
    constexpr size_t kPpid = 4 - 3, kTty = 7 - 3, kUtime = 14 - 3, kStime = 15 - 3, kStart = 22 - 3;
    if (fields.size() <= kStart) return std::nullopt;
    status.ppid = ParseNumber<pid_t>(fields[kPpid]).value_or(0);
    status.terminal = ParseNumber<uint64_t>(fields[kTty]).value_or(0);
    status.cpu_ticks = ParseNumber<uint64_t>(fields[kUtime]).value_or(0) +
                       ParseNumber<uint64_t>(fields[kStime]).value_or(0);
    status.start_ticks = ParseNumber<uint64_t>(fields[kStart]).value_or(0);
    return status;
}

}  // namespace cc::agent

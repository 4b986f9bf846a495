// SPDX-License-Identifier: Apache-2.0
#include "agent/ps.h"

#include <algorithm>
#include <ctime>

#include <sched.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "protocol/process_list.h"

namespace cc::agent {

namespace {

constexpr size_t kProcFile = 65536;

struct Units {
    int64_t ticks_per_second = std::max(1L, ::sysconf(_SC_CLK_TCK));
    int64_t page_kib = std::max(1L, ::sysconf(_SC_PAGESIZE) / 1024);
};

std::string CommandLine(pid_t pid) {
    std::string text =
        ReadFile(Cat("/proc/", pid, "/cmdline"), 1 << 20).value_or("").substr(0, kLongestCommand);
    while (!text.empty() && text.back() == '\0')
        text.pop_back();
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
}

// The value of a line "Key:\t12 kB" or "Key:\t1\t2\t3", as its numbers.
std::vector<int64_t> NumbersOf(std::string_view text, std::string_view key) {
    std::vector<int64_t> numbers;
    for (const auto& line : Split(text, '\n')) {
        if (!line.starts_with(key)) continue;
        std::string value = line.substr(key.size());
        std::replace(value.begin(), value.end(), '\t', ' ');
        for (const auto& word : Split(value, ' '))
            if (const auto number = ParseNumber<int64_t>(word)) numbers.push_back(*number);
        break;
    }
    return numbers;
}

// `directory` is that of the process or of one of its threads.
std::optional<ProcessEntry> ReadEntry(const std::string& directory, const Units& units) {
    const auto stat = ReadFile(directory + "/stat", kProcFile);
    if (!stat) return std::nullopt;
    auto entry = ParseProcStat(*stat, units.ticks_per_second, units.page_kib);
    const auto status = ReadFile(directory + "/status", kProcFile);
    if (!entry || !status) return std::nullopt;
    AddProcStatus(*status, *entry);
    return entry;
}

void AddProcess(pid_t pid, bool threads, const Units& units, std::vector<ProcessEntry>& entries) {
    const std::string directory = Cat("/proc/", pid);
    auto process = ReadEntry(directory, units);
    if (!process) return;
    process->command = CommandLine(pid);
    if (!threads) return entries.push_back(std::move(*process));
    auto names = ListDirectory(directory + "/task").value_or(std::vector<std::string>{});
    std::vector<pid_t> tids;
    for (const auto& name : names)
        if (const auto tid = ParseNumber<pid_t>(name)) tids.push_back(*tid);
    std::sort(tids.begin(), tids.end());
    for (const pid_t tid : tids) {
        auto thread = ReadEntry(Cat(directory, "/task/", tid), units);
        if (!thread) continue;
        thread->tid = tid;
        thread->pid = pid;
        thread->command = process->command;
        entries.push_back(std::move(*thread));
    }
}

}  // namespace

ProcessList ReadProcesses(const std::vector<pid_t>& pids, bool threads) {
    ProcessList list;
    const Units units;
    for (const pid_t pid : pids)
        AddProcess(pid, threads, units, list.processes);
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    list.uptime_ms = boot.tv_sec * 1000 + boot.tv_nsec / 1000000;
    const auto booted = NumbersOf(ReadFile("/proc/stat", 1 << 20).value_or(""), "btime ");
    if (!booted.empty()) list.boot_s = booted[0];
    const auto memory = NumbersOf(ReadFile("/proc/meminfo", kProcFile).value_or(""), "MemTotal:");
    if (!memory.empty()) list.memory_kib = memory[0];
    const auto most = ReadFile("/proc/sys/kernel/pid_max", 64);
    if (most) list.most_pid = ParseNumber<int64_t>(Trim(*most)).value_or(list.most_pid);
    return list;
}

std::string ProcessesAsJson(const std::vector<pid_t>& pids) {
    std::vector<std::string> texts;
    texts.reserve(pids.size());
    for (const pid_t pid : pids)
        texts.push_back(std::to_string(pid));
    return Cat("[", Join(texts, ","), "]");
}

std::string ProcessesAsTable(const std::vector<pid_t>& pids) {
    return FormatProcesses(ReadProcesses(pids, false), FullProcessColumns(), {{{0, "root"}}, {}});
}

std::optional<ProcessEntry> ParseProcStat(std::string_view stat, int64_t ticks_per_second,
                                          int64_t page_kib) {
    // The name stands in parentheses and may hold some itself; fields count from the last one.
    const size_t open = stat.find('(');
    const size_t close = stat.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
        return std::nullopt;
    const auto fields = Split(Trim(stat.substr(close + 1)), ' ');  // from field 3 of proc(5)
    constexpr size_t kFirst = 3;
    constexpr size_t kLast = 41;
    if (fields.size() <= kLast - kFirst) return std::nullopt;
    const auto field = [&](size_t number) {
        return ParseNumber<int64_t>(fields[number - kFirst]).value_or(0);
    };
    const auto milliseconds = [&](int64_t ticks) { return ticks * 1000 / ticks_per_second; };
    ProcessEntry entry;
    entry.pid = ParseNumber<int64_t>(Trim(stat.substr(0, open))).value_or(0);
    entry.tid = entry.pid;
    entry.name = stat.substr(open + 1, close - open - 1);
    entry.state = fields[0];
    entry.ppid = field(4);
    entry.pgid = field(5);
    entry.sid = field(6);
    entry.terminal = static_cast<uint64_t>(std::max<int64_t>(0, field(7)));
    entry.foreground = field(8);
    entry.cpu_ms = milliseconds(field(14) + field(15));
    entry.priority = field(18);
    entry.nice = field(19);
    entry.threads = field(20);
    entry.start_ms = milliseconds(field(22));
    entry.virtual_kib = field(23) / 1024;
    entry.resident_kib = field(24) * page_kib;
    entry.processor = field(39);
    const int64_t policy = field(41);
    entry.timesharing = policy == SCHED_OTHER || policy == SCHED_BATCH;
    return entry;
}

void AddProcStatus(std::string_view status, ProcessEntry& entry) {
    const auto ids = [&](std::string_view key, uint32_t& real, uint32_t& effective) {
        const auto numbers = NumbersOf(status, key);
        if (numbers.size() < 2) return;
        real = static_cast<uint32_t>(numbers[0]);
        effective = static_cast<uint32_t>(numbers[1]);
    };
    ids("Uid:", entry.real_uid, entry.uid);
    ids("Gid:", entry.real_gid, entry.gid);
    // More exact than in stat, where the kernel adds up less often.
    const auto resident = NumbersOf(status, "VmRSS:");
    if (!resident.empty()) entry.resident_kib = resident[0];
    const auto locked = NumbersOf(status, "VmLck:");
    entry.locked = !locked.empty() && locked[0] > 0;
}

}  // namespace cc::agent

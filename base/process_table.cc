// SPDX-License-Identifier: Apache-2.0
#include "base/process_table.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include <sys/sysmacros.h>

#include "base/text.h"

namespace cc {

namespace {

struct Line {
    const ProcessList& list;
    const ProcessEntry& entry;
    const ProcessNames& names;

    int64_t age_s() const { return std::max<int64_t>(0, list.uptime_ms - entry.start_ms) / 1000; }
    std::time_t now() const {
        return static_cast<std::time_t>(list.boot_s + list.uptime_ms / 1000);
    }
    std::time_t started() const {
        return static_cast<std::time_t>(list.boot_s + entry.start_ms / 1000);
    }
};

std::string TwoDigits(int64_t number) {
    return Cat(number < 10 ? "0" : "", number);
}

// 12.3; procps leaves the fraction out where the number is long.
std::string Tenths(int64_t tenths) {
    if (tenths > 999) return Cat(std::min<int64_t>(tenths / 10, 9999));
    return Cat(tenths / 10, ".", tenths % 10);
}

int64_t CpuTenths(const Line& line) {
    return line.age_s() == 0 ? 0 : line.entry.cpu_ms / line.age_s();
}

std::string Clock(int64_t seconds) {  // [D-]HH:MM:SS
    const int64_t days = seconds / 86400;
    const std::string clock = Cat(TwoDigits(seconds / 3600 % 24), ":", TwoDigits(seconds / 60 % 60),
                                  ":", TwoDigits(seconds % 60));
    return days > 0 ? Cat(days, "-", clock) : clock;
}

std::string Elapsed(const Line& line) {  // [[D-]HH:]MM:SS
    const std::string clock = Clock(line.age_s());
    return line.age_s() < 3600 ? clock.substr(3) : clock;
}

std::string Formatted(std::time_t time, const char* format) {
    std::tm parts{};
    localtime_r(&time, &parts);
    char text[64];
    return std::string(text, std::strftime(text, sizeof text, format, &parts));
}

std::string StartedOn(const Line& line) {  // the hour, the day or the year
    std::tm then{};
    std::tm today{};
    const std::time_t start = line.started();
    const std::time_t now = line.now();
    localtime_r(&start, &then);
    localtime_r(&now, &today);
    if (then.tm_year != today.tm_year) return Formatted(start, "%Y");
    return Formatted(start, then.tm_yday == today.tm_yday ? "%H:%M" : "%b%d");
}

bool StartedWithinADay(const Line& line) {
    return line.now() - line.started() <= 86400;
}

std::string StateFlags(const ProcessEntry& entry) {
    std::string flags = entry.state;
    if (entry.nice < 0) flags += '<';
    if (entry.nice > 0) flags += 'N';
    if (entry.locked) flags += 'L';
    if (entry.sid == entry.pid) flags += 's';
    if (entry.threads > 1) flags += 'l';
    if (entry.foreground == entry.pgid) flags += '+';
    return flags;
}

std::string TerminalName(uint64_t device) {
    if (device == 0) return "?";
    constexpr unsigned kPtsMajor = 136;
    const auto number = minor(device);
    if (major(device) >= kPtsMajor && major(device) < kPtsMajor + 8) return Cat("pts/", number);
    if (major(device) == 4) return number < 64 ? Cat("tty", number) : Cat("ttyS", number - 64);
    if (device == makedev(5, 1)) return "console";
    if (major(device) == 229) return Cat("hvc", number);
    return Cat(major(device), ",", number);
}

bool IsDefunct(const ProcessEntry& entry) {
    return entry.state == "Z";
}

std::string NameOf(const Line& line) {
    return Cat(line.entry.name, IsDefunct(line.entry) ? " <defunct>" : "");
}

std::string CommandOf(const Line& line) {
    const ProcessEntry& entry = line.entry;
    if (!entry.command.empty()) return entry.command;
    return Cat("[", entry.name, "]", IsDefunct(entry) ? " <defunct>" : "");
}

// Longer than its column it ends with a plus sign, which the column's width decides; here it is
// whole.
std::string IdName(const std::map<uint32_t, std::string>& names, uint32_t id) {
    const auto found = names.find(id);
    return found == names.end() ? std::to_string(id) : found->second;
}

enum class Kind { kRight, kLeft, kName, kPid };

struct Known {
    std::string_view name, heading;
    size_t width;
    Kind kind;
    std::string (*text)(const Line&);
};

#define CC_PS(expression) [](const Line& line) -> std::string { return expression; }
// Headings, widths and alignment are those of procps-ng 4.0.
constexpr Known kKnown[] = {
    {"%cpu", "%CPU", 4, Kind::kRight, CC_PS(Tenths(CpuTenths(line)))},
    {"%mem", "%MEM", 4, Kind::kRight,
     CC_PS(Tenths(std::min<int64_t>(
         999, line.entry.resident_kib * 1000 / std::max<int64_t>(1, line.list.memory_kib))))},
    {"args", "COMMAND", 27, Kind::kLeft, CC_PS(CommandOf(line))},
    {"bsdstart", "START", 6, Kind::kRight,
     CC_PS(Formatted(line.started(), StartedWithinADay(line) ? "%H:%M" : "%b %e"))},
    {"bsdtime", "TIME", 6, Kind::kRight,
     CC_PS(Cat(line.entry.cpu_ms / 60000, ":", TwoDigits(line.entry.cpu_ms / 1000 % 60)))},
    {"c", "C", 2, Kind::kRight, CC_PS(Cat(std::min<int64_t>(99, CpuTenths(line) / 10)))},
    {"cmd", "CMD", 27, Kind::kLeft, CC_PS(CommandOf(line))},
    {"comm", "COMMAND", 15, Kind::kLeft, CC_PS(NameOf(line))},
    {"command", "COMMAND", 27, Kind::kLeft, CC_PS(CommandOf(line))},
    {"cputime", "TIME", 8, Kind::kRight, CC_PS(Clock(line.entry.cpu_ms / 1000))},
    {"egid", "EGID", 5, Kind::kRight, CC_PS(Cat(line.entry.gid))},
    {"egroup", "EGROUP", 8, Kind::kName, CC_PS(IdName(line.names.groups, line.entry.gid))},
    {"etime", "ELAPSED", 11, Kind::kRight, CC_PS(Elapsed(line))},
    {"etimes", "ELAPSED", 7, Kind::kRight, CC_PS(Cat(line.age_s()))},
    {"euid", "EUID", 5, Kind::kRight, CC_PS(Cat(line.entry.uid))},
    {"euser", "EUSER", 8, Kind::kName, CC_PS(IdName(line.names.users, line.entry.uid))},
    {"gid", "GID", 5, Kind::kRight, CC_PS(Cat(line.entry.gid))},
    {"group", "GROUP", 8, Kind::kName, CC_PS(IdName(line.names.groups, line.entry.gid))},
    {"lstart", "STARTED", 24, Kind::kRight, CC_PS(Formatted(line.started(), "%a %b %e %T %Y"))},
    {"lwp", "LWP", 0, Kind::kPid, CC_PS(Cat(line.entry.tid))},
    {"ni", "NI", 3, Kind::kRight,
     CC_PS(line.entry.timesharing ? Cat(line.entry.nice) : std::string("-"))},
    {"nice", "NI", 3, Kind::kRight,
     CC_PS(line.entry.timesharing ? Cat(line.entry.nice) : std::string("-"))},
    {"nlwp", "NLWP", 4, Kind::kRight, CC_PS(Cat(line.entry.threads))},
    {"pcpu", "%CPU", 4, Kind::kRight, CC_PS(Tenths(CpuTenths(line)))},
    {"pgid", "PGID", 0, Kind::kPid, CC_PS(Cat(line.entry.pgid))},
    {"pgrp", "PGRP", 0, Kind::kPid, CC_PS(Cat(line.entry.pgid))},
    {"pid", "PID", 0, Kind::kPid, CC_PS(Cat(line.entry.pid))},
    {"pmem", "%MEM", 4, Kind::kRight,
     CC_PS(Tenths(std::min<int64_t>(
         999, line.entry.resident_kib * 1000 / std::max<int64_t>(1, line.list.memory_kib))))},
    {"ppid", "PPID", 0, Kind::kPid, CC_PS(Cat(line.entry.ppid))},
    {"pri", "PRI", 3, Kind::kRight, CC_PS(Cat(39 - line.entry.priority))},
    {"priority", "PRI", 3, Kind::kRight, CC_PS(Cat(line.entry.priority))},
    {"psr", "PSR", 3, Kind::kRight, CC_PS(Cat(line.entry.processor))},
    {"rgid", "RGID", 5, Kind::kRight, CC_PS(Cat(line.entry.real_gid))},
    {"rgroup", "RGROUP", 8, Kind::kName, CC_PS(IdName(line.names.groups, line.entry.real_gid))},
    {"rss", "RSS", 5, Kind::kRight, CC_PS(Cat(line.entry.resident_kib))},
    {"ruid", "RUID", 5, Kind::kRight, CC_PS(Cat(line.entry.real_uid))},
    {"ruser", "RUSER", 8, Kind::kName, CC_PS(IdName(line.names.users, line.entry.real_uid))},
    {"s", "S", 1, Kind::kLeft, CC_PS(line.entry.state)},
    {"sess", "SESS", 0, Kind::kPid, CC_PS(Cat(line.entry.sid))},
    {"sid", "SID", 0, Kind::kPid, CC_PS(Cat(line.entry.sid))},
    {"spid", "SPID", 0, Kind::kPid, CC_PS(Cat(line.entry.tid))},
    {"start", "STARTED", 8, Kind::kRight,
     CC_PS(Formatted(line.started(), StartedWithinADay(line) ? "%H:%M:%S" : "  %b %d"))},
    {"start_time", "START", 5, Kind::kRight, CC_PS(StartedOn(line))},
    {"stat", "STAT", 4, Kind::kLeft, CC_PS(StateFlags(line.entry))},
    {"state", "S", 1, Kind::kLeft, CC_PS(line.entry.state)},
    {"stime", "STIME", 5, Kind::kRight, CC_PS(StartedOn(line))},
    {"sz", "SZ", 5, Kind::kRight, CC_PS(Cat(line.entry.virtual_kib / 4))},
    {"thcount", "THCNT", 5, Kind::kRight, CC_PS(Cat(line.entry.threads))},
    {"tid", "TID", 0, Kind::kPid, CC_PS(Cat(line.entry.tid))},
    {"time", "TIME", 8, Kind::kRight, CC_PS(Clock(line.entry.cpu_ms / 1000))},
    {"tname", "TTY", 8, Kind::kLeft, CC_PS(TerminalName(line.entry.terminal))},
    {"tt", "TT", 8, Kind::kLeft, CC_PS(TerminalName(line.entry.terminal))},
    {"tty", "TT", 8, Kind::kLeft, CC_PS(TerminalName(line.entry.terminal))},
    {"ucmd", "CMD", 15, Kind::kLeft, CC_PS(NameOf(line))},
    {"uid", "UID", 5, Kind::kRight, CC_PS(Cat(line.entry.uid))},
    {"uname", "USER", 8, Kind::kName, CC_PS(IdName(line.names.users, line.entry.uid))},
    {"user", "USER", 8, Kind::kName, CC_PS(IdName(line.names.users, line.entry.uid))},
    {"vsize", "VSZ", 6, Kind::kRight, CC_PS(Cat(line.entry.virtual_kib))},
    {"vsz", "VSZ", 6, Kind::kRight, CC_PS(Cat(line.entry.virtual_kib))},
};
#undef CC_PS

const Known* FindKnown(std::string_view name) {
    const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown),
                                     [&](const Known& known) { return known.name == name; });
    return found == std::end(kKnown) ? nullptr : found;
}

size_t DigitsOf(int64_t most) {
    return std::max<size_t>(5, std::to_string(most - 1).size());
}

// Of names and commands, which anybody may choose.
std::string Printable(const std::string& text) {
    std::string shown;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
        const bool second_set = c == 0xc2 && next >= 0x80 && next < 0xa0;  // controls in UTF-8
        shown += c < ' ' || c == 0x7f || second_set ? '?' : text[i];
        if (second_set) ++i;
    }
    return shown;
}

struct Layout {
    const Known* known;
    const ProcessColumn* asked;
    size_t width;
    bool last;
};

// What is too wide pushes what follows only as far as there is no room to win back.
void Put(std::string& row, const Layout& column, const std::string& text, size_t& place) {
    const bool right = column.known->kind == Kind::kRight || column.known->kind == Kind::kPid;
    const size_t before = right && text.size() < column.width ? column.width - text.size() : 0;
    const size_t least = place == 0 ? 0 : row.size() + 1;
    row.append(std::max(least, place + before) - row.size(), ' ');
    row += text;
    place += column.width + 1;
}

std::string Cut(std::string text, const Layout& column) {
    const Kind kind = column.known->kind;
    if ((kind != Kind::kLeft && kind != Kind::kName) || column.last || text.size() <= column.width)
        return text;
    text.resize(column.width);
    if (kind == Kind::kName) text.back() = '+';
    return text;
}

template <typename Text>
std::string Row(const std::vector<Layout>& layout, const Text& text) {
    std::string row;
    size_t place = 0;
    for (const auto& column : layout)
        Put(row, column, text(column), place);
    return row + "\n";
}

}  // namespace

Result<ProcessColumn> FindProcessColumn(std::string_view name) {
    if (const Known* known = FindKnown(name))
        return ProcessColumn{std::string(known->name), std::string(known->heading)};
    std::string all;
    for (const auto& known : kKnown)
        all += Cat(all.empty() ? "" : " ", known.name);
    return Fail(
        Cat("unknown user-defined format specifier ", Quoted(name, 64), "; known are ", all));
}

std::string FormatProcesses(const ProcessList& list, const std::vector<ProcessColumn>& columns,
                            const ProcessNames& names) {
    std::vector<Layout> layout;
    bool headed = false;
    for (const auto& column : columns) {
        const Known* known = FindKnown(column.name);
        if (known == nullptr) continue;
        size_t width = column.width;
        if (width == 0) {
            width = known->kind == Kind::kPid ? DigitsOf(list.most_pid) : known->width;
            width = std::max(width, column.heading.size());
        }
        layout.push_back({known, &column, width, false});
        headed = headed || !column.heading.empty();
    }
    if (layout.empty()) return {};
    layout.back().last = true;
    std::string table;
    if (headed) table = Row(layout, [](const Layout& column) { return column.asked->heading; });
    for (const auto& entry : list.processes) {
        const Line line{list, entry, names};
        table += Row(layout, [&](const Layout& column) {
            return Cut(Printable(column.known->text(line)), column);
        });
    }
    return table;
}

std::vector<ProcessColumn> FullProcessColumns() {
    return {{"user", "UID"},    {"pid", "PID"},   {"ppid", "PPID"}, {"c", "C"},
            {"stime", "STIME"}, {"tname", "TTY"}, {"time", "TIME"}, {"cmd", "CMD"}};
}

}  // namespace cc

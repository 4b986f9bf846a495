// SPDX-License-Identifier: Apache-2.0
#include "base/process_table.h"

#include <doctest/doctest.h>

namespace cc {

namespace {

ProcessList One() {
    ProcessList list;
    list.boot_s = 1700000000;
    list.uptime_ms = 1000000;
    list.memory_kib = 1000000;
    ProcessEntry entry;
    entry.pid = entry.tid = entry.pgid = entry.sid = 7;
    entry.ppid = 1;
    entry.foreground = -1;
    entry.state = "S";
    entry.threads = 2;
    entry.priority = 20;
    entry.cpu_ms = 90061000;
    entry.start_ms = 1000;
    entry.resident_kib = 123456;
    entry.virtual_kib = 2345678;
    entry.uid = entry.real_uid = 1000;
    entry.name = "server";
    entry.command = "/bin/server --all";
    list.processes.push_back(entry);
    return list;
}

std::string Shown(const ProcessList& list, const std::vector<std::string>& names,
                  const ProcessNames& known = {}) {
    std::vector<ProcessColumn> columns;
    for (const auto& name : names)
        columns.push_back(FindProcessColumn(name).value());
    return FormatProcesses(list, columns, known);
}

}  // namespace

TEST_CASE("what is too wide takes room from the columns behind it") {
    CHECK(Shown(One(), {"pid", "vsz", "rss", "tname", "stat"}) ==
          "  PID    VSZ   RSS TTY      STAT\n"
          "    7 2345678 123456 ?      Ssl\n");
    CHECK(Shown(One(), {"time", "pid"}) == "    TIME   PID\n1-01:01:01   7\n");
}

TEST_CASE("names are those that are known, cut where something follows") {
    const ProcessNames names{{{1000, "somebody-long"}}, {{0, "root"}}};
    CHECK(Shown(One(), {"user", "group", "uid"}) ==
          "USER     GROUP      UID\n1000     0         1000\n");
    CHECK(Shown(One(), {"user", "group"}, names) == "USER     GROUP\nsomebod+ root\n");
    CHECK(Shown(One(), {"user"}, names) == "USER\nsomebody-long\n");
}

TEST_CASE("a process without a command line shows its name, one that has ended says so") {
    ProcessList list = One();
    list.processes[0].command.clear();
    CHECK(Shown(list, {"args"}) == "COMMAND\n[server]\n");
    list.processes[0].state = "Z";
    CHECK(Shown(list, {"args"}) == "COMMAND\n[server] <defunct>\n");
    CHECK(Shown(list, {"comm"}) == "COMMAND\nserver <defunct>\n");
}

TEST_CASE("nothing that a process calls itself reaches the terminal as an order") {
    ProcessList list = One();
    list.processes[0].command =
        "a\x1b[2Jb\nc\xc2\x9b"
        "d\xc3\xa4";
    CHECK(Shown(list, {"args"}) == "COMMAND\na?[2Jb?c?d\xc3\xa4\n");
}

TEST_CASE("an unknown column is named, with those that are known") {
    const std::string why = FindProcessColumn("wchan").error().message;
    CHECK(why.starts_with("unknown user-defined format specifier \"wchan\"; known are %cpu %mem"));
    CHECK(why.find(" pid ") != std::string::npos);
}

}  // namespace cc

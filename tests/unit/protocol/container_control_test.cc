// SPDX-License-Identifier: Apache-2.0
#include "protocol/container_control.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/agent_frame.h"
#include "protocol/process_list.h"

namespace cc {

TEST_CASE("commands of our own have the bytes that docs/protocol.md shows") {
    CHECK(EncodeControl(ControlCode::kPauseContainer, Encode(OneContainer{"web"})) ==
          std::string("\0\0\0\x65\0\0\0\x1b", 8) + R"({"container":"web"})");
    CHECK(Encode(UpdateContainer{"web", R"({"pids":{"limit":20}})"}) ==
          R"({"container":"web","resources":{"pids":{"limit":20}}})");
    CHECK(Encode(CgroupFiles{{{"pids.current", "3\n"}}}) == R"({"files":{"pids.current":"3\n"}})");
}

TEST_CASE("commands of our own survive being encoded and parsed") {
    CHECK(ParseOneContainer(Encode(OneContainer{"a\"b"}))->container == "a\"b");
    const auto update = ParseUpdateContainer(Encode(UpdateContainer{"web", ""}));
    REQUIRE(update);
    CHECK(update->container == "web");
    CHECK(update->resources == "{}");
    const CgroupFiles files{{{"cpu.stat", "usage_usec 1\n"}, {"pids.max", "max\n"}}};
    CHECK(ParseCgroupFiles(Encode(files))->files == files.files);
    CHECK_FALSE(ParseUpdateContainer(R"({"container":"web"})"));
    CHECK_FALSE(ParseUpdateContainer(R"({"container":"web","resources":"all"})"));
    CHECK_FALSE(ParseCgroupFiles(R"({"files":{"pids.max":7}})"));
    CHECK_FALSE(ParseOneContainer("[]"));
}

TEST_CASE("commands of our own have names, and are told from those of 3.0") {
    for (const auto& [name, code] : {std::pair{"pausecontainer", 101},
                                     {"resumecontainer", 102},
                                     {"containerstats", 103},
                                     {"updatecontainer", 104}}) {
        const auto parsed = ParseHyperName(name);
        REQUIRE(parsed);
        CHECK(static_cast<int>(*parsed) == code);
        CHECK(NeedsExtension(*parsed));
    }
    CHECK_FALSE(NeedsExtension(ControlCode::kPsContainer));
}

TEST_CASE("a list of processes survives encoding and parsing, and is cut to what a message takes") {
    ProcessList list;
    list.boot_s = 1700000000;
    list.uptime_ms = 12345;
    list.memory_kib = 131072;
    list.most_pid = 4194304;
    ProcessEntry entry;
    entry.pid = entry.tid = 7;
    entry.ppid = 1;
    entry.pgid = entry.sid = 7;
    entry.foreground = -1;
    entry.state = "S";
    entry.threads = 1;
    entry.priority = 20;
    entry.nice = -5;
    entry.cpu_ms = 30;
    entry.start_ms = 40;
    entry.virtual_kib = 50;
    entry.resident_kib = 60;
    entry.uid = 1000;
    entry.real_gid = 1001;
    entry.name = "x";
    entry.command = "/x y";
    list.processes.push_back(entry);
    entry.tid = 8;
    entry.terminal = 34816;
    entry.foreground = 7;
    entry.timesharing = false;
    entry.locked = true;
    entry.command.clear();
    list.processes.push_back(entry);
    CHECK(ParseProcessList(Encode(list)).value() == list);
    list.processes[0].command.assign(kLongestCommand, 'x');
    list.processes.resize(1);
    list.processes.resize(1000, list.processes[0]);
    const std::string text = Encode(list);
    CHECK(text.size() < kMaxControlMessage - kControlHeaderSize);
    const auto cut = ParseProcessList(text).value();
    CHECK(cut.omitted > 0);
    CHECK(cut.processes.size() + static_cast<size_t>(cut.omitted) == 1000);
    for (const char* wrong :
         {"", "[]", R"({"processes":[1]})", R"({"processes":[{"pid":"7"}]})",
          R"({"processes":[{"pid":7,"uids":[1]}]})", R"({"processes":[{"uids":[0,4294967296]}]})",
          R"({"processes":[{"cpuMs":-1}]})", R"({"bootS":9223372036854775807})"})
        CHECK_FALSE(ParseProcessList(wrong));
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "runtime/stats.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/duration.h"

namespace cc::runtime {

TEST_CASE("statistics of a cgroup have runc's names and units") {
    const CgroupFiles files{{
        {"cpu.stat",
         "usage_usec 14356\nuser_usec 4000\nsystem_usec 10000\nnr_periods 5\n"
         "nr_throttled 2\nthrottled_usec 77\n"},
        {"cpuset.cpus.effective", "0-1,3\n"},
        {"cpuset.mems.effective", "0\n"},
        {"memory.current", "348160\n"},
        {"memory.max", "max\n"},
        {"memory.stat", "anon 4096\nfile 12288\n"},
        {"memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n"},
        {"pids.current", "4\n"},
        {"pids.max", "100\n"},
        {"io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"},
    }};
    const Json event = ParseJson(StatsEvent("web", files)).value();
    CHECK(event["type"] == "stats");
    CHECK(event["id"] == "web");
    const Json& data = event["data"];
    CHECK(data["cpu"]["usage"] ==
          Json{{"total", 14356000}, {"kernel", 10000000}, {"user", 4000000}});
    CHECK(data["cpu"]["throttling"] ==
          Json{{"periods", 5}, {"throttledPeriods", 2}, {"throttledTime", 77000}});
    CHECK(data["cpuset"]["cpus"] == Json{0, 1, 3});
    CHECK(data["memory"]["cache"] == 12288);
    CHECK(data["memory"]["usage"] ==
          Json{{"limit", UINT64_MAX}, {"usage", 348160}, {"failcnt", 3}});
    CHECK(data["memory"]["swap"]["limit"] == UINT64_MAX);
    CHECK(data["memory"]["raw"] == Json{{"anon", 4096}, {"file", 12288}});
    CHECK(data["pids"] == Json{{"current", 4}, {"limit", 100}});
    CHECK(data["blkio"]["ioServiceBytesRecursive"][1] ==
          Json{{"major", 8}, {"minor", 16}, {"op", "Write"}, {"value", 2}});
    CHECK(data["blkio"]["ioServicedRecursive"][0]["value"] == 3);
    CHECK(data["network_interfaces"].is_null());
    CHECK(OomKills(files) == 1);
    CHECK(OomEvent("web") == R"({"type":"oom","id":"web"})");
}

TEST_CASE("statistics that a guest makes up do no harm") {
    for (const char* text :
         {"", "\n", "usage_usec", "usage_usec -1", "usage_usec 99999999999999999999", "8:", ":",
          "rbytes=", "8:0 rbytes=x", "0-4294967295", "5-", "a-b-c", "3-1", "\xff\xfe 1"}) {
        CgroupFiles files;
        for (const char* name : {"cpu.stat", "memory.current", "memory.max", "memory.stat",
                                 "memory.events", "pids.max", "io.stat", "cpuset.cpus.effective"})
            files.files[name] = text;
        const auto event = ParseJson(StatsEvent("c", files));
        REQUIRE_MESSAGE(event, text);
        CHECK((*event)["data"]["cpu"]["usage"]["user"] == 0);
    }
}

TEST_CASE("durations are read as Go writes them") {
    using std::chrono::nanoseconds;
    CHECK(ParseDuration("5s") == nanoseconds(5000000000));
    CHECK(ParseDuration("1m30s") == nanoseconds(90000000000));
    CHECK(ParseDuration("1.5h") == nanoseconds(5400000000000));
    CHECK(ParseDuration("300ms") == nanoseconds(300000000));
    CHECK(ParseDuration("7us") == nanoseconds(7000));
    CHECK(ParseDuration("-2s") == nanoseconds(-2000000000));
    CHECK(ParseDuration("0") == nanoseconds(0));
    for (const char* wrong :
         {"", "5", "s", "5 s", "5x", "-", "inf", "nan", "1e3s", "--5s", "9999999999999h", "5s5"})
        CHECK_MESSAGE(!ParseDuration(wrong), wrong);
}

}  // namespace cc::runtime

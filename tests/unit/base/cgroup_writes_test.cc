// SPDX-License-Identifier: Apache-2.0
#include "base/cgroup_writes.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/scratch.h"

namespace cc {

TEST_CASE("writes to a cgroup are taken back, the last one first") {
    const test::Scratch scratch;
    for (const auto& [file, text] : {std::pair("cpu.idle", "0\n"), std::pair("cpu.shares", "512\n"),
                                     std::pair("cpuset.cpus", "\n"), std::pair("pids.max", "20\n")})
        REQUIRE(WriteFileAtomic(scratch / file, text, 0600));
    const auto text = [&](const char* file) { return ReadFile(scratch / file, 100).value(); };
    CgroupWrites writes;
    REQUIRE(writes.Write(scratch / "pids.max", "30"));
    REQUIRE(writes.Write(scratch / "pids.max", "40"));
    REQUIRE(writes.Write(scratch / "cpu.idle", "1"));
    REQUIRE(writes.Write(scratch / "cpuset.cpus", "0"));
    CHECK_FALSE(writes.Write(scratch / "no.such", "1"));
    // The kernel does that when a cgroup becomes idle.
    REQUIRE(WriteExisting(scratch / "cpu.shares", "3  "));
    writes.TakeBack();
    CHECK(text("pids.max").starts_with("20"));
    CHECK(text("cpu.idle").starts_with("0"));
    CHECK(text("cpu.shares").starts_with("512"));
    CHECK(text("cpuset.cpus").starts_with("\n"));
    writes.TakeBack();
    REQUIRE(writes.Write(scratch / "pids.max", "50"));
    writes.Keep();
    writes.TakeBack();
    CHECK(text("pids.max").starts_with("50"));
}

TEST_CASE("of a file with a line for each device only the one that was written is taken back") {
    const char* const kIoMax = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2\n";
    CHECK(TextToTakeBack("/c/io.max", kIoMax, "8:0 rbps=100") ==
          "8:0 rbps=1 wbps=max riops=max wiops=max");
    CHECK(TextToTakeBack("/c/io.max", kIoMax, "8:1 rbps=100") ==
          "8:1 rbps=max wbps=max riops=max wiops=max");
    CHECK(TextToTakeBack("/c/io.weight", "default 100\n8:0 200\n", "default 300") == "default 100");
    CHECK(TextToTakeBack("/c/io.weight", "default 100\n", "8:0 300") == "8:0 default");
    CHECK(TextToTakeBack("/c/blkio.throttle.read_bps_device", "8:0 7\n", "8:0 9") == "8:0 7");
    CHECK(TextToTakeBack("/c/blkio.throttle.read_bps_device", "", "8:0 9") == "8:0 0");
    CHECK(TextToTakeBack("/c/cpu.max", "max 100000\n", "5000 20000") == "max 100000");
    CHECK(TextToTakeBack("/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", "1") == "0");
    CHECK(TextToTakeBack("/c/cpuset.cpus", "\n", "0-1") == "\n");
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/cgroup.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

constexpr const char* kMountinfo =
    R"(22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:31 / /mnt/again rw,relatime - cgroup cgroup rw,cpuset
36 31 0:33 / /sys/fs/cgroup/devices ro,relatime - cgroup cgroup rw,devices
40 31 0:37 / /sys/fs/cgroup/with\040space rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
broken line
42 31 0:40 / /short rw - cgroup
)";

}  // namespace

TEST_CASE("each cgroup hierarchy is found once, read-only ones are left alone") {
    const auto hierarchies = ParseHierarchies(kMountinfo);
    REQUIRE(hierarchies.size() == 4);
    CHECK(hierarchies[0].mount_point == "/sys/fs/cgroup/cpu,cpuacct");
    CHECK(hierarchies[0].Has("cpu"));
    CHECK_FALSE(hierarchies[0].Has("cpuset"));
    CHECK(hierarchies[1].Has("cpuset"));
    CHECK(hierarchies[2].mount_point == "/sys/fs/cgroup/with space");
    CHECK(hierarchies[3].mount_point == "/sys/fs/cgroup/unified");
}

TEST_CASE("cgroupsPath, absolute or relative, is a directory below each hierarchy") {
    for (const char* path : {"/docker/abc", "docker/abc", "//docker///abc/"}) {
        const auto plan = PlanCgroup(kMountinfo, path);
        REQUIRE(plan);
        const auto leaves = plan->Leaves();
        REQUIRE(leaves.size() == 4);
        CHECK(leaves[3] == "/sys/fs/cgroup/unified/docker/abc");
    }
    CHECK(PlanCgroup(kMountinfo, "")->Leaves().empty());
    for (const char* path : {"/", "..", "/a/../b", "a/./b", "a\nb"})
        CHECK_FALSE(PlanCgroup(kMountinfo, path));
}

TEST_CASE("what was missing is made, and exactly that is removed again") {
    TempDirectory directory;
    CgroupPlan plan;
    plan.hierarchies = {{directory / "cpu", {"cpu"}}, {directory / "cpuset", {"cpuset"}}};
    plan.path = "shared/box";
    REQUIRE(MakeDirectories(directory / "cpu/shared", 0700));
    REQUIRE(MakeDirectories(directory / "cpuset", 0700));
    const auto missing = MissingDirectories(plan);
    CHECK(missing == std::vector<std::string>{directory / "cpu/shared/box",
                                              directory / "cpuset/shared",
                                              directory / "cpuset/shared/box"});
    // Directories stand in for cgroups; a cpuset has files that are not there.
    CHECK_FALSE(MakeCgroup(plan));
    plan.hierarchies.pop_back();
    REQUIRE(MakeCgroup(plan));
    REQUIRE(MakeDirectories(directory / "cpuset/shared/box", 0700));
    RemoveCgroups(missing);
    CHECK(Exists(directory / "cpu/shared"));
    CHECK_FALSE(Exists(directory / "cpu/shared/box"));
    CHECK_FALSE(Exists(directory / "cpuset/shared"));
    RemoveCgroups(missing);  // a second time there is nothing to do
}

TEST_CASE("a new cpuset gets its parent's cpus and memory nodes") {
    TempDirectory directory;
    CgroupPlan plan;
    plan.hierarchies = {{directory.path(), {"cpuset"}}};
    plan.path = "box";
    REQUIRE(MakeDirectories(directory / "box", 0700));
    for (const char* name : {"cpuset.cpus", "cpuset.mems"}) {
        REQUIRE(WriteFileAtomic(directory / name, "0-1\n", 0600));
        REQUIRE(WriteFileAtomic(directory / std::string("box/") + name,
                                name[7] == 'c' ? "\n" : "0\n", 0600));
    }
    REQUIRE(MakeCgroup(plan));
    CHECK(ReadFile(directory / "box/cpuset.cpus", 100).value() == "0-1");
    CHECK(ReadFile(directory / "box/cpuset.mems", 100).value() == "0\n");
}

}  // namespace cc::runtime

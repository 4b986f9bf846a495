// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/limits.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/sandbox/cgroup.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

const char* const kResources = R"({
  "memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432, "swappiness": 0},
  "cpu": {"shares": 1024, "quota": 50000, "period": 200000, "cpus": "0-1", "mems": "0"},
  "pids": {"limit": 2},
  "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1000}]},
  "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
  "unified": {"memory.high": "60000000"}})";

std::vector<CgroupValue> Values(const std::string& resources) {
    const auto values = CgroupValuesOf(ParseJson(resources).value());
    REQUIRE_MESSAGE(values, values.error().message);
    return *values;
}

// A directory that has such files, as the kernel gives a cgroup.
std::string Leaf(const TempDirectory& directory, const std::string& name,
                 const std::vector<std::string>& files) {
    const std::string leaf = directory / name;
    REQUIRE(MakeDirectories(leaf, 0700));
    for (const auto& file : files)
        REQUIRE(WriteFileAtomic(leaf + "/" + file, "", 0600));
    return leaf;
}

ContainerRecord Container(const std::vector<std::string>& leaves) {
    ContainerRecord record;
    record.cgroups = leaves;
    return record;
}

SandboxRecord Sandbox(const std::vector<std::string>& leaves) {
    SandboxRecord record;
    record.cgroups = leaves;
    return record;
}

Result<void> LimitOf(const std::vector<std::string>& leaves,
                     const std::vector<CgroupValue>& values) {
    CgroupWrites writes;
    return LimitShim(Container(leaves), values, writes);
}

std::string Text(const std::string& leaf, const std::string& file) {
    return ReadFile(leaf + "/" + file, 1000).value_or("missing");
}

}  // namespace

TEST_CASE("resources are written to the files of cgroup v1, a controller a hierarchy") {
    TempDirectory directory;
    const std::string memory = Leaf(directory, "memory",
                                    {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
                                     "memory.soft_limit_in_bytes", "memory.swappiness"});
    const std::string cpu =
        Leaf(directory, "cpu", {"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"});
    const std::string rest = Leaf(directory, "rest",
                                  {"cpuset.cpus", "cpuset.mems", "pids.max", "blkio.weight",
                                   "blkio.throttle.read_bps_device", "hugetlb.2MB.limit_in_bytes"});
    REQUIRE(LimitOf({cpu, memory, rest}, Values(kResources)));
    CHECK(Text(memory, "memory.limit_in_bytes") == "67108864");
    CHECK(Text(memory, "memory.memsw.limit_in_bytes") == "134217728");
    CHECK(Text(memory, "memory.soft_limit_in_bytes") == "33554432");
    CHECK(Text(memory, "memory.swappiness") == "0");
    CHECK(Text(cpu, "cpu.shares") == "1024");
    CHECK(Text(cpu, "cpu.cfs_quota_us") == "50000");
    CHECK(Text(cpu, "cpu.cfs_period_us") == "200000");
    CHECK(Text(rest, "cpuset.cpus") == "0-1");
    CHECK(Text(rest, "cpuset.mems") == "0");
    CHECK(Text(rest, "pids.max") == "2");
    CHECK(Text(rest, "blkio.weight") == "100");
    CHECK(Text(rest, "blkio.throttle.read_bps_device") == "8:1 1000");
    CHECK(Text(rest, "hugetlb.2MB.limit_in_bytes") == "4194304");
}

TEST_CASE("resources are written to the files of cgroup v2 in its own units") {
    TempDirectory directory;
    const std::string leaf =
        Leaf(directory, "leaf",
             {"memory.max", "memory.swap.max", "memory.low", "memory.high", "cpu.weight", "cpu.max",
              "cpuset.cpus", "cpuset.mems", "pids.max", "io.weight", "io.max", "hugetlb.2MB.max"});
    REQUIRE(LimitOf({leaf}, Values(kResources)));
    CHECK(Text(leaf, "memory.max") == "67108864");
    CHECK(Text(leaf, "memory.swap.max") == "67108864");
    CHECK(Text(leaf, "memory.low") == "33554432");
    CHECK(Text(leaf, "memory.high") == "60000000");
    CHECK(Text(leaf, "cpu.weight") == "100");
    CHECK(Text(leaf, "cpu.max") == "50000 200000");
    CHECK(Text(leaf, "pids.max") == "2");
    CHECK(Text(leaf, "io.weight") == "default 910");
    CHECK(Text(leaf, "io.max") == "8:1 rbps=1000");
    CHECK(Text(leaf, "hugetlb.2MB.max") == "4194304");
    CHECK(ControllersOf(Values(kResources)) ==
          std::vector<std::string>{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"});
    const std::string open =
        Leaf(directory, "open", {"memory.max", "memory.swap.max", "cpu.max", "pids.max"});
    REQUIRE(LimitOf({open}, Values(R"({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1},
        "cpu": {"quota": -1}})")));
    CHECK(Text(open, "memory.max") == "max");
    CHECK(Text(open, "memory.swap.max") == "max");
    CHECK(Text(open, "pids.max") == "max");
    CHECK(Text(open, "cpu.max") == "max 100000");
}

TEST_CASE("the VM's cgroup gets processors and block devices, but neither threads nor memory") {
    TempDirectory directory;
    const std::string leaf =
        Leaf(directory, "leaf", {"memory.max", "cpu.weight", "cpuset.cpus", "pids.max", "io.max"});
    CgroupWrites writes;
    REQUIRE(LimitVm(Sandbox({leaf}), Values(kResources), 0, writes));
    CHECK(Text(leaf, "cpu.weight") == "100");
    CHECK(Text(leaf, "cpuset.cpus") == "0-1");
    CHECK(Text(leaf, "io.max") == "8:1 rbps=1000");
    CHECK(Text(leaf, "pids.max") == "");
    CHECK(Text(leaf, "memory.max") == "");
    REQUIRE(LimitVm(Sandbox({leaf}), Values(kResources), 1 << 30, writes));
    CHECK(Text(leaf, "memory.max") == "1073741824");
}

TEST_CASE("a memory limit that would kill the shim is raised to what it needs") {
    TempDirectory directory;
    const std::string leaf = Leaf(directory, "leaf", {"memory.limit_in_bytes"});
    REQUIRE(LimitOf({leaf}, Values(R"({"memory": {"limit": 1000000}})")));
    CHECK(Text(leaf, "memory.limit_in_bytes") == "4194304");
    REQUIRE(LimitOf({leaf}, Values(R"({"memory": {"limit": 6291456}})")));
    CHECK(Text(leaf, "memory.limit_in_bytes") == "6291456");
}

TEST_CASE("zeros and nulls, as engines write them, are no limits; nonsense is an error") {
    CHECK(Values("{}").empty());
    CHECK(Values("null").empty());
    CHECK(Values(R"({"memory": {"limit": 0, "swap": null, "swappiness": -1,
        "disableOOMKiller": false}, "cpu": {"shares": 0, "cpus": ""}, "pids": {"limit": 0},
        "blockIO": {"weight": 0, "weightDevice": []}, "devices": [{"allow": false}]})")
              .empty());
    for (const char* bad :
         {R"({"memory": {"limit": "x"}})", R"({"cpu": {"cpus": 7}})", R"({"cpu": {"shares": 1.5}})",
          R"({"blockIO": {"weightDevice": [7]}})", R"({"unified": {"../x.y": "1"}})",
          R"({"unified": {"memory.max": 1}})", R"({"hugepageLimits": [{"pageSize": "../x"}]})"}) {
        CAPTURE(bad);
        CHECK_FALSE(CgroupValuesOf(ParseJson(bad).value()));
    }
}

TEST_CASE("resources that were refused somewhere are taken back in all cgroups") {
    TempDirectory directory;
    const std::string shim = Leaf(directory, "shim", {"memory.max", "pids.max"});
    const std::string vm = Leaf(directory, "vm", {"cpu.max"});
    for (const auto& [file, text] :
         {std::pair(shim + "/memory.max", "max\n"), std::pair(shim + "/pids.max", "20\n"),
          std::pair(vm + "/cpu.max", "max 100000\n")})
        REQUIRE(WriteFileAtomic(file, text, 0600));
    const ContainerRecord container = Container({shim});
    const SandboxRecord sandbox = Sandbox({vm});
    const Json before = ParseJson(R"({"pids": {"limit": 20}})").value();
    const Json tried = ParseJson(R"({"pids": {"limit": 77}, "memory": {"limit": 104857600},
                                     "cpu": {"quota": 40000}})")
                           .value();
    CgroupWrites writes;
    REQUIRE(ApplyResources(container, &sandbox, tried, writes));
    CHECK(Text(shim, "memory.max").starts_with("104857600"));
    CHECK(Text(shim, "pids.max").starts_with("77"));
    CHECK(Text(vm, "cpu.max").starts_with("40000 100000"));
    TakeBackResources(container, &sandbox, before, tried, writes);
    CHECK(Text(shim, "memory.max").starts_with("max"));
    CHECK(Text(shim, "pids.max").starts_with("20"));
    CHECK(Text(vm, "cpu.max").starts_with("max 100000"));
    // As systemd is told it.
    std::vector<std::string> told;
    for (const auto& value : ValuesBefore(before, tried))
        told.push_back(Cat(value.v2_file, "=", value.v2_text));
    CHECK(told == std::vector<std::string>{"pids.max=20", "memory.max=max", "cpu.max=max 100000"});
}

TEST_CASE("an idle cgroup has no shares to set, and has them again after it was idle") {
    const auto files = [](const std::string& resources) {
        std::vector<std::string> names;
        for (const auto& value : Values(resources))
            names.push_back(Cat(value.v1_file, "=", value.v1_text));
        return names;
    };
    using Names = std::vector<std::string>;
    CHECK(files(R"({"cpu": {"shares": 512, "idle": 1}})") == Names{"cpu.idle=1"});
    CHECK(files(R"({"cpu": {"shares": 512, "idle": 0}})") == Names{"cpu.idle=0", "cpu.shares=512"});
    CHECK(files(R"({"cpu": {"shares": 512}})") == Names{"cpu.shares=512"});
    CHECK(files(R"({"cpu": {"quota": 5000, "burst": 100}})") ==
          Names{"cpu.cfs_quota_us=5000", "cpu.cfs_burst_us=100"});
    CHECK(files(R"({"cpu": {"burst": 0}})") == Names{"cpu.cfs_burst_us=0"});
}

TEST_CASE("a cgroup beside another and one below it") {
    CgroupPlan plan;
    plan.path = "a/b/c";
    CHECK(PlanBeside(plan, "vm").path == "a/b/vm");
    CHECK(PlanBelow(plan, "vm").path == "a/b/c/vm");
    plan.path = "c";
    CHECK(PlanBeside(plan, "vm").path == "vm");
    plan.path.clear();
    CHECK(PlanBeside(plan, "vm").path.empty());
    CHECK(PlanBelow(plan, "vm").path.empty());
}

TEST_CASE("a v2 hierarchy is asked to pass on the controllers that limits need") {
    TempDirectory directory;
    REQUIRE(MakeDirectories(directory / "a", 0700));
    for (const char* file : {"cgroup.subtree_control", "a/cgroup.subtree_control"})
        REQUIRE(WriteFileAtomic(directory / file, "cpu\n", 0600));
    CgroupPlan plan;
    plan.hierarchies.push_back({directory.path(), {}, true});
    plan.path = "a/b";
    REQUIRE(MakeCgroup(plan, {"cpu", "memory"}));
    CHECK(ReadFile(directory / "a/cgroup.subtree_control", 100).value().starts_with("+memory"));
    CHECK(ReadFile(directory / "cgroup.subtree_control", 100).value().starts_with("+memory"));
    CHECK(Exists(directory / "a/b"));
}

}  // namespace cc::runtime

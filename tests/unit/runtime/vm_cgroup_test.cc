// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/vm_cgroup.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "base/text.h"
#include "runtime/sandbox/limits.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

using Names = std::vector<std::string>;

std::vector<CgroupValue> Limits(const char* resources) {
    return CgroupValuesOf(ParseJson(resources).value()).value();
}

CgroupPlan Version1() {
    CgroupPlan plan;
    for (const char* name : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "freezer"})
        plan.hierarchies.push_back({Cat("/cg/", name), {"rw", name}});
    plan.path = "docker/abc";
    return plan;
}

CgroupPlan Version2() {
    CgroupPlan plan;
    plan.hierarchies.push_back({"/cg", {}, true, true});
    plan.path = "docker/abc";
    return plan;
}

const Names kAlwaysBelow = {"/cg/cpu/docker/abc/vm", "/cg/cpuacct/docker/abc/vm"};

std::string Content(const std::string& path) {
    return ReadFile(path, 100).value_or("missing");
}

}  // namespace

TEST_CASE("version 1: what is counted lies in the container's cgroup, memory without a limit too") {
    const auto open = PlanVmCgroup(Version1(), {}, "vm", Limits("{}"));
    CHECK(open.below.Leaves() == Names{kAlwaysBelow[0], kAlwaysBelow[1], "/cg/memory/docker/abc/vm",
                                       "/cg/blkio/docker/abc/vm"});
    CHECK(open.beside.Leaves() ==
          Names{"/cg/cpuset/docker/vm", "/cg/pids/docker/vm", "/cg/freezer/docker/vm"});
    CHECK(open.Leaves().size() == 7);
    const auto limited =
        PlanVmCgroup(Version1(), {}, "vm", Limits(R"({"memory": {"limit": 67108864}})"));
    CHECK(limited.below.Leaves() ==
          Names{kAlwaysBelow[0], kAlwaysBelow[1], "/cg/blkio/docker/abc/vm"});
    CHECK(limited.beside.Leaves()[1] == "/cg/memory/docker/vm");
    const auto unlimited =
        PlanVmCgroup(Version1(), {}, "vm", Limits(R"({"memory": {"limit": -1}})"));
    CHECK(unlimited.below.hierarchies.size() == 4);
}

TEST_CASE("version 2: all or nothing, as memory and processes are limited or not") {
    for (const char* roomy : {"{}", R"({"pids": {"limit": 2048}, "cpu": {"quota": 50000}})",
                              R"({"memory": {"limit": -1, "reservation": 1048576}})"}) {
        CAPTURE(roomy);
        const auto cgroup = PlanVmCgroup(Version2(), {}, "vm", Limits(roomy));
        CHECK(cgroup.Leaves() == Names{"/cg/docker/abc/vm"});
        CHECK(cgroup.Missing() == Names{"/cg/docker/abc/vm"});
    }
    for (const char* tight :
         {R"({"pids": {"limit": 100}})", R"({"memory": {"limit": 1048576}})",
          R"({"unified": {"memory.high": "1000000"}})", R"({"unified": {"memory.max": "64M"}})"}) {
        CAPTURE(tight);
        const auto cgroup = PlanVmCgroup(Version2(), {}, "vm", Limits(tight));
        CHECK(cgroup.Leaves() == Names{"/cg/docker/vm"});
    }
}

TEST_CASE("a scope of its own only where the VM is not in the container's") {
    const ScopePlan scope{"docker-abc.scope", "system.slice", "system.slice/docker-abc.scope"};
    CgroupPlan plan = Version2();
    plan.path = scope.path;
    const auto inside = PlanVmCgroup(plan, scope, "vm", {});
    CHECK(inside.scope.unit.empty());
    CHECK(inside.Leaves() == Names{"/cg/system.slice/docker-abc.scope/vm"});
    CHECK(inside.Missing() == inside.Leaves());
    const auto limited = PlanVmCgroup(plan, scope, "vm", Limits(R"({"memory": {"limit": 1}})"));
    CHECK(limited.scope.unit == "vm.scope");
    CHECK(limited.Leaves() == Names{"/cg/system.slice/vm.scope"});
    // systemd puts a process into one scope of all hierarchies.
    plan.hierarchies = Version1().hierarchies;
    CHECK(PlanVmCgroup(plan, scope, "vm", {}).below.Leaves().empty());
    CHECK(PlanVmCgroup(plan, scope, "vm", {}).scope.unit == "vm.scope");
}

TEST_CASE("a pod's lies beside its first container, and without a cgroup there is none") {
    CHECK(PlanPodCgroup(Version2(), {}, "vm").Leaves() == Names{"/cg/docker/vm"});
    CHECK(PlanVmCgroup({}, {}, "vm", {}).Leaves().empty());
}

TEST_CASE("limits of a container whose VM is in its cgroup") {
    TempDirectory directory;
    const std::string container = directory / "abc";
    const std::string vm = container + "/vm";
    REQUIRE(MakeDirectories(vm, 0700));
    for (const char* file : {"memory.max", "pids.max", "cpu.max", "io.max"})
        REQUIRE(WriteFileAtomic(Cat(container, "/", file), "before", 0600));
    ContainerRecord record;
    record.cgroups = {container};
    SandboxRecord sandbox;
    sandbox.cgroups = sandbox.cgroups_below = {vm};
    const Json wanted = ParseJson(R"({"memory": {"limit": 104857600}, "pids": {"limit": 7},
        "cpu": {"quota": 50000, "period": 100000},
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1000}]}})")
                            .value();
    CgroupWrites writes;

    SUBCASE("version 2: the VM has no files; the limits that are for it, too, are above it") {
        REQUIRE(ApplyResources(record, &sandbox, wanted, writes));
        CHECK(Content(container + "/cpu.max").starts_with("50000 100000"));
        CHECK(Content(container + "/io.max").starts_with("8:1 rbps=1000"));
    }
    SUBCASE("a limit of memory or processes that comes later would break what the VM has") {
        REQUIRE(ApplyResources(record, &sandbox, wanted, writes));
        CHECK(Content(container + "/memory.max") == "before");
        CHECK(Content(container + "/pids.max") == "before");
        writes.TakeBack();
        TakeBackResources(record, &sandbox, Json::object(), wanted, writes);
        CHECK(Content(container + "/memory.max") == "before");
    }
    SUBCASE("version 1: throttled devices and the VM's own limit of memory are its own") {
        for (const char* file : {"io.max", "memory.max", "cpu.max"})
            REQUIRE(WriteFileAtomic(Cat(vm, "/", file), "own", 0600));
        REQUIRE(LimitVm(sandbox, CgroupValuesOf(wanted).value(), 1 << 30, writes));
        CHECK(Content(vm + "/io.max").starts_with("8:1 rbps=1000"));
        CHECK(Content(vm + "/memory.max").starts_with("1073741824"));
        // A quota below could not be more than the one above, in whatever order both change.
        CHECK(Content(vm + "/cpu.max") == "own");
    }
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/scope.h"

#include <doctest/doctest.h>

#include "base/json_full.h"

namespace cc::runtime {

TEST_CASE("cgroupsPath of systemd is a scope in a slice, which lies in slices") {
    const auto podman = PlanScope("machine.slice:libpod:abc", "id");
    REQUIRE(podman);
    CHECK(podman->unit == "libpod-abc.scope");
    CHECK(podman->slice == "machine.slice");
    CHECK(podman->path == "machine.slice/libpod-abc.scope");
    CHECK(PlanScope("kubepods-burstable-pod1.slice:cri:x", "id")->path ==
          "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-x.scope");
    CHECK(PlanScope("-.slice:p:n", "id")->path == "p-n.scope");
    CHECK(PlanScope(":docker:abc", "id")->path == "system.slice/docker-abc.scope");
    CHECK(PlanScope("user.slice::abc", "id")->unit == "abc.scope");
    CHECK(PlanScope("", "id")->path == "system.slice/cc-runtime-id.scope");
    const ScopePlan beside = ScopeBeside(*podman, "cc-vm-1");
    CHECK(beside.unit == "cc-vm-1.scope");
    CHECK(beside.path == "machine.slice/cc-vm-1.scope");
    CHECK(ScopeBeside({}, "cc-vm-1").unit.empty());
}

TEST_CASE("a cgroupsPath that is no scope is refused, and named") {
    for (const char* path : {"/docker/abc", "a:b", "a:b:c:d", "machine.slice:x:", "machine:x:y",
                             "a--b.slice:x:y", "-a.slice:x:y", "a.slice:x:b.slice", "a/b.slice:x:y",
                             "../x.slice:x:y", "a.slice:x:../../y", ".slice:x:y"}) {
        const auto plan = PlanScope(path, "id");
        CHECK_FALSE_MESSAGE(plan, path);
        if (!plan) CHECK(plan.error().message.find("linux.cgroupsPath") == 0);
    }
}

TEST_CASE("limits have systemd's names, where it has one") {
    const auto values = CgroupValuesOf(
        ParseJson(R"({"memory": {"limit": 1000000, "swap": 3000000, "reservation": -1},
                      "cpu": {"shares": 1024, "quota": 33333, "period": 100000, "cpus": "0-1,9",
                              "mems": "0"},
                      "pids": {"limit": -1}, "blockIO": {"weight": 1000},
                      "unified": {"memory.high": "500"},
                      "hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})")
            .value());
    REQUIRE(values);
    const std::vector<DbusProperty> expected{{"MemoryMax", uint64_t{1000000}},
                                             {"MemorySwapMax", uint64_t{2000000}},
                                             {"MemoryLow", UINT64_MAX},
                                             {"CPUWeight", uint64_t{100}},
                                             {"CPUQuotaPeriodUSec", uint64_t{100000}},
                                             {"CPUQuotaPerSecUSec", uint64_t{340000}},
                                             {"AllowedCPUs", std::vector<uint8_t>{3, 2}},
                                             {"AllowedMemoryNodes", std::vector<uint8_t>{1}},
                                             {"TasksMax", UINT64_MAX},
                                             {"IOWeight", uint64_t{10000}},
                                             {"MemoryHigh", uint64_t{500}}};
    const auto properties = ScopePropertiesOf(*values);
    REQUIRE(properties.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        CHECK(properties[i].name == expected[i].name);
        CHECK((properties[i].value == expected[i].value));
    }
    const auto unlimited = CgroupValuesOf(ParseJson(R"({"cpu": {"quota": -1}})").value());
    CHECK((ScopePropertiesOf(*unlimited).at(1).value == DbusValue(UINT64_MAX)));
    const auto period = CgroupValuesOf(ParseJson(R"({"cpu": {"period": 1000}})").value());
    CHECK(ScopePropertiesOf(*period).empty());
}

TEST_CASE("what systemd makes is not ours to remove") {
    CgroupPlan plan;
    plan.hierarchies = {{"/nowhere/systemd", {}, false, true}, {"/nowhere/freezer", {}}};
    plan.path = "machine.slice/x.scope";
    CHECK(MissingBesideScope(plan) ==
          std::vector<std::string>{"/nowhere/freezer/machine.slice",
                                   "/nowhere/freezer/machine.slice/x.scope"});
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/growth.h"

#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/sandbox/pod.h"

namespace cc::runtime {

namespace {

constexpr int64_t kMib = 1 << 20;
constexpr HostSize kHost{.memory_mib = 8192, .cpus = 4};

RuntimeConfig Configured() {
    RuntimeConfig config;
    config.memory_mib = 128;
    config.memory_overhead_mib = 64;
    config.vcpus = 1;
    return config;
}

Limits Read(const char* resources) {
    return LimitsOf(ParseJson(resources).value());
}

}  // namespace

TEST_CASE(
    "a VM holds the container's memory limit and its guest's kernel, up to what the host has") {
    const RuntimeConfig config = Configured();
    const auto memory = [&](int64_t limit) {
        return PlanVmSize(config, {.memory = limit, .millicpus = 0}, kHost).memory_mib;
    };
    CHECK(memory(0) == 128);
    CHECK(memory(-1) == 128);
    // Smaller than what the VM has anyway.
    CHECK(memory(32 * kMib) == 128);
    CHECK(memory(60 * kMib) == 128);
    CHECK(memory(1024 * kMib) == 1024 + 128);
    // In pieces that can be plugged into a clone.
    CHECK(memory(64 * kMib) == 128 + 128);
    CHECK(memory(188 * kMib) == 128 + 128);
    CHECK(memory(192 * kMib) == 128 + 256);
    // "Unlimited", as v1 writes it.
    CHECK(memory(0x7ffffffffffff000) == 8192);
}

TEST_CASE("the host gives a VM what its container may take, the guest's kernel and QEMU") {
    const RuntimeConfig config = Configured();
    CHECK(HostMemoryOf(config, {}, 2048, false) == (2048 + 64) * kMib);
    CHECK(HostMemoryOf(config, {}, 2048, true) == (2048 + 64 + 1024) * kMib);
    // Of a machine of 2 GiB the kernel's pages take 32 MiB.
    CHECK(HostMemoryOf(config, {.memory = 100 * kMib}, 2048, false) == (100 + 64 + 32 + 64) * kMib);
    CHECK(HostMemoryOf(config, {.memory = 3000 * kMib}, 2048, false) == (2048 + 64) * kMib);
}

TEST_CASE("it has as many processors as the quota can keep busy, up to what the host has") {
    RuntimeConfig config = Configured();
    const auto cpus = [&](const char* resources) {
        return PlanVmSize(config, Read(resources), kHost).cpus;
    };
    CHECK(cpus("{}") == 1);
    CHECK(cpus(R"({"cpu": {"quota": -1, "period": 100000}})") == 1);
    CHECK(cpus(R"({"cpu": {"quota": 50000, "period": 100000}})") == 1);
    CHECK(cpus(R"({"cpu": {"quota": 100000, "period": 100000}})") == 1);
    CHECK(cpus(R"({"cpu": {"quota": 100001, "period": 100000}})") == 2);
    CHECK(cpus(R"({"cpu": {"quota": 150000, "period": 50000}})") == 3);
    CHECK(cpus(R"({"cpu": {"quota": 200000}})") == 2);
    CHECK(cpus(R"({"cpu": {"quota": 9223372036854775807, "period": 1000}})") == 4);
    // A set of processors without a quota is as many; with one, the smaller of the two.
    CHECK(cpus(R"({"cpu": {"cpus": "0,1"}})") == 2);
    CHECK(cpus(R"({"cpu": {"cpus": "0-1,1-2"}})") == 3);
    CHECK(cpus(R"({"cpu": {"cpus": "3"}})") == 1);
    CHECK(cpus(R"({"cpu": {"cpus": "0-63"}})") == 4);
    CHECK(cpus(R"({"cpu": {"cpus": ""}})") == 1);
    CHECK(cpus(R"({"cpu": {"cpus": "many"}})") == 1);
    CHECK(cpus(R"({"cpu": {"cpus": "2-3", "quota": 400000, "period": 100000}})") == 2);
    CHECK(cpus(R"({"cpu": {"cpus": "0-3", "quota": 200000, "period": 100000}})") == 2);
    config.vcpus = 3;
    CHECK(cpus(R"({"cpu": {"quota": 200000, "period": 100000}})") == 3);
    CHECK(cpus(R"({"cpu": {"quota": 900000, "period": 100000}})") == 4);
}

TEST_CASE("a VM grows in blocks of memory and whole processors, and never shrinks") {
    CHECK(GrowthBetween({128, 1}, {128, 1}).none());
    CHECK(GrowthBetween({512, 4}, {128, 1}).none());
    CHECK(GrowthBetween({128, 1}, {129, 3}) == VmGrowth{.mib = 128, .cpus = 2});
    CHECK(GrowthBetween({128, 4}, {640, 1}) == VmGrowth{.mib = 512, .cpus = 0});
}

TEST_CASE("what a pod's containers may take together, in containerd's words") {
    OciSpec spec;
    CHECK(PodLimits(spec.annotations).memory == 0);
    CHECK(PodLimits(spec.annotations).millicpus == 0);
    spec.annotations = {{"io.kubernetes.cri.sandbox-memory", "1048576"},
                        {"io.kubernetes.cri.sandbox-cpu-quota", "250000"},
                        {"io.kubernetes.cri.sandbox-cpu-period", "100000"}};
    CHECK(PodLimits(spec.annotations).memory == 1048576);
    CHECK(PodLimits(spec.annotations).millicpus == 2500);
    spec.annotations["io.kubernetes.cri.sandbox-cpu-quota"] = "much";
    CHECK(PodLimits(spec.annotations).millicpus == 0);
}

TEST_CASE("what a pod's containers may take together, in CRI-O's words") {
    const char* text = R"({"cpu_period": 100000, "cpu_quota": 150000, "cpu_shares": 2,
                           "memory_limit_in_bytes": 2097152})";
    for (const char* key :
         {"pod-linux-resources.crio.io", "io.kubernetes.cri-o.PodLinuxResources"}) {
        CHECK(PodLimits({{key, text}}).memory == 2097152);
        CHECK(PodLimits({{key, text}}).millicpus == 1500);
        for (const char* wrong : {"", "{}", "[]", "much", R"({"memory_limit_in_bytes": "much"})"})
            CHECK(PodLimits({{key, wrong}}).memory == 0);
    }
}

TEST_CASE("the limits of a pod's containers add up, beside the memory of those that have none") {
    const RuntimeConfig config = Configured();
    const auto size = [&](const std::vector<Limits>& containers, const Limits& told = {}) {
        return PlanVmSize(config, Together(containers, told), kHost);
    };
    const Limits none;
    const Limits half{.memory = 512 * kMib, .millicpus = 1500};
    CHECK(size({none}).memory_mib == 128);
    CHECK(size({none, none}).cpus == 1);
    // As of one that is alone.
    CHECK(size({half}).memory_mib == 640);
    CHECK(size({half, half}).memory_mib == 1152);
    CHECK(size({half, half}).cpus == 3);
    CHECK(size({none, half}).memory_mib == 768);
    CHECK(size({none, half}).cpus == 2);
    // Processors are shared where memory cannot be.
    CHECK(size({none, none, half, half}).memory_mib == 1280);
    CHECK(size({none, none, half, half}).cpus == 3);
    // What an engine has said of all counts where it is more, as when not all are there yet.
    const Limits told{.memory = 1024 * kMib, .millicpus = 2000};
    CHECK(size({none}, told).memory_mib == 1152);
    CHECK(size({none, half}, told).memory_mib == 1152);
    CHECK(size({none, half}, told).cpus == 2);
    CHECK(size({none, half, half, half}, told).memory_mib == 1664);
    CHECK(size({none, half, half, half}, told).cpus == 4);
    // "Unlimited", as v1 writes it, is no more than the host has, however often.
    const Limits much{.memory = 0x7ffffffffffff000, .millicpus = INT64_MAX};
    CHECK(size({much, much, much}).memory_mib == 8192);
    CHECK(size({much, much, much}).cpus == 4);
    CHECK(size({{.memory = -1, .millicpus = -1}, half}).memory_mib == 768);
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "agent/cgroup_limits.h"
#include "agent/device_filter.h"
#include "agent/oci_reader.h"
#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::agent {

namespace {

Result<ResourceSpec> Read(std::string_view text) {
    const Json json = ParseJson(text).value();
    return ReadResources(&json);
}

std::vector<CgroupSetting> SettingsOf(std::string_view text) {
    const auto settings = CgroupSettings(Read(text).value());
    REQUIRE_MESSAGE(settings, settings.error().message);
    return *settings;
}

std::string ErrorOf(std::string_view text) {
    const auto resources = Read(text);
    if (!resources) return resources.error().message;
    const auto settings = CgroupSettings(*resources);
    REQUIRE_FALSE(settings);
    return settings.error().message;
}

// What the program says to an access, by running it: the few instructions that it is made of.
bool Allows(const std::vector<bpf_insn>& program, uint32_t type, uint32_t access, uint32_t major,
            uint32_t minor) {
    uint64_t registers[11]{};
    const uint32_t context[] = {access << 16 | type, major, minor};
    for (size_t at = 0; at < program.size(); ++at) {
        const bpf_insn& now = program[at];
        uint64_t& to = registers[now.dst_reg];
        const auto value = static_cast<uint32_t>(now.imm);
        bool jump = false;
        switch (now.code) {
            case BPF_LDX | BPF_MEM | BPF_W:
                to = context[now.off / 4];
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                to = static_cast<uint32_t>(to) & value;
                break;
            case BPF_ALU | BPF_RSH | BPF_K:
                to = static_cast<uint32_t>(to) >> value;
                break;
            case BPF_ALU64 | BPF_MOV | BPF_K:
                to = value;
                break;
            case BPF_JMP | BPF_JNE | BPF_K:
                jump = to != value;
                break;
            case BPF_JMP | BPF_JSET | BPF_K:
                jump = (to & value) != 0;
                break;
            case BPF_JMP | BPF_JA:
                jump = true;
                break;
            case BPF_JMP | BPF_EXIT:
                return registers[0] != 0;
            default:
                FAIL("unknown instruction " << int{now.code});
        }
        if (jump) at += static_cast<size_t>(now.off);
    }
    FAIL("the program has no end");
    return false;
}

constexpr uint32_t kChar = BPF_DEVCG_DEV_CHAR, kBlock = BPF_DEVCG_DEV_BLOCK;
constexpr uint32_t kRead = DeviceRule::kRead, kWrite = DeviceRule::kWrite,
                   kMknod = DeviceRule::kMknod;

}  // namespace

TEST_CASE("limits become files of the unified hierarchy") {
    CHECK(SettingsOf(R"({"memory":{"limit":1000,"reservation":500,"swap":1500},
        "pids":{"limit":-1},"cpu":{"shares":1024,"quota":5000,"period":20000,"burst":100},
        "blockIO":{"weight":10},"hugepageLimits":[{"pageSize":"2MB","limit":4194304}],
        "unified":{"memory.high":"900"}})") ==
          std::vector<CgroupSetting>{{"memory.max", "1000"},
                                     {"memory.swap.max", "500", true},
                                     {"memory.low", "500"},
                                     {"pids.max", "max"},
                                     {"cpu.weight", "100"},
                                     {"cpu.max", "5000 20000"},
                                     {"cpu.max.burst", "100"},
                                     {"io.weight", "1", true},
                                     {"hugetlb.2MB.max", "4194304"},
                                     {"memory.high", "900"}});
    CHECK(SettingsOf(R"({"cpu":{"period":50000}})").at(0) == CgroupSetting{"cpu.max", "max 50000"});
    CHECK(SettingsOf(R"({"memory":{"limit":-1}})").at(1).value == "max");
    CHECK(SettingsOf(R"({"cpu":{"idle":1,"shares":5}})") ==
          std::vector<CgroupSetting>{{"cpu.idle", "1"}});
    CHECK(SettingsOf(R"({"memory":{"limit":18446744073709551615}})").at(0).value == "max");
    CHECK(SettingsOf(R"({"memory":{"limit":0},"pids":{"limit":0},"cpu":{"quota":0}})").empty());
    // These name the host's processors and disks.
    CHECK(SettingsOf(R"({"cpu":{"cpus":"6-7","mems":"1"},"blockIO":{"throttleReadBpsDevice":
        [{"major":8,"minor":0,"rate":100}]}})")
              .empty());
}

TEST_CASE("resources that contradict themselves are refused") {
    CHECK(ErrorOf(R"({"memory":{"swap":100}})").find("memory.limit") != std::string::npos);
    CHECK(ErrorOf(R"({"memory":{"limit":200,"swap":100}})").find("less than") != std::string::npos);
    CHECK(ErrorOf(R"({"hugepageLimits":[{"pageSize":"../2MB"}]})").find("../2MB") !=
          std::string::npos);
    CHECK(ErrorOf(R"({"devices":[{"allow":true,"type":"x"}]})").find("type") != std::string::npos);
    CHECK(ErrorOf(R"({"devices":[{"allow":true,"access":"rx"}]})").find("rx") != std::string::npos);
    for (const std::string file : {"../memory.max", "a/b.c", "..", "cgroup.procs", "memory", ""})
        CHECK(ErrorOf(Cat(R"({"unified":{")", file, R"(":"1"}})")).find("unified") !=
              std::string::npos);
}

TEST_CASE("a limit without its file is an error, unless there is nothing to limit") {
    const test::Scratch scratch;
    REQUIRE(WriteFileAtomic(scratch / "memory.max", "max", 0644));
    CgroupWrites writes;
    ResourceSpec resources;
    resources.memory_limit = 4096;
    resources.memory_swap = 8192;
    CHECK(ApplyLimits(scratch.path(), resources, writes));
    CHECK(ReadFile(scratch / "memory.max", 64).value().starts_with("4096"));
    resources.hugepages = {{"2MB", 0}};
    CHECK(ApplyLimits(scratch.path(), resources, writes));
    resources.hugepages = {{"2MB", 2 << 20}};
    CHECK(ApplyLimits(scratch.path(), resources, writes).error().message ==
          "cannot set hugetlb.2MB.max to \"2097152\": the guest kernel has no such cgroup file");
}

TEST_CASE("a memory limit below what is in use is refused where that is asked for") {
    const test::Scratch scratch;
    REQUIRE(WriteFileAtomic(scratch / "memory.max", "max\n", 0644));
    REQUIRE(WriteFileAtomic(scratch / "memory.current", "5000\n", 0644));
    CgroupWrites writes;
    const auto apply = [&](std::string_view text) {
        return ApplyLimits(scratch.path(), Read(text).value(), writes);
    };
    CHECK(apply(R"({"memory":{"limit":5000,"checkBeforeUpdate":true}})").error().message ==
          "rejecting memory limit 5000 <= usage 5000, as memory.checkBeforeUpdate says");
    CHECK(apply(R"({"memory":{"limit":4000,"swap":4500,"checkBeforeUpdate":true}})")
              .error()
              .message.starts_with("rejecting memory+swap limit 4500 <= usage 5000"));
    CHECK(ReadFile(scratch / "memory.max", 64).value() == "max\n");
    CHECK(apply(R"({"memory":{"limit":5001,"checkBeforeUpdate":true}})"));
    REQUIRE(WriteFileAtomic(scratch / "memory.current", "5001\n", 0644));
    REQUIRE(WriteFileAtomic(scratch / "memory.max", "5001\n", 0644));
    CHECK(apply(R"({"memory":{"limit":5001,"checkBeforeUpdate":true}})"));
    CHECK(apply(R"({"memory":{"limit":-1,"checkBeforeUpdate":true}})"));
    CHECK(apply(R"({"memory":{"limit":4000,"checkBeforeUpdate":false}})"));
    CHECK(apply(R"({"memory":{"limit":4000}})"));
}

TEST_CASE("what was written before a limit that is refused can be taken back") {
    const test::Scratch scratch;
    for (const char* file : {"memory.max", "pids.max"})
        REQUIRE(WriteFileAtomic(scratch / file, "max\n", 0644));
    CgroupWrites writes;
    CHECK_FALSE(ApplyLimits(scratch.path(),
                            Read(R"({"memory":{"limit":4096},"pids":{"limit":7},
                                     "unified":{"no.such":"1"}})")
                                .value(),
                            writes));
    CHECK(ReadFile(scratch / "pids.max", 64).value().starts_with("7"));
    writes.TakeBack();
    CHECK(ReadFile(scratch / "memory.max", 64).value().starts_with("max"));
    CHECK(ReadFile(scratch / "pids.max", 64).value().starts_with("max"));
}

TEST_CASE("of several rules about a device the last one decides, access by access") {
    const auto rules = Read(R"({"devices":[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"rwm"},
        {"allow":false,"type":"c","major":10,"access":"w"},
        {"allow":true,"type":"b","major":8,"minor":-1,"access":"r"}]})");
    REQUIRE(rules);
    const auto program = DeviceProgram(*rules->devices);
    CHECK(Allows(program, kChar, kRead, 10, 229));
    CHECK(Allows(program, kChar, kRead | kMknod, 10, 229));
    CHECK_FALSE(Allows(program, kChar, kWrite, 10, 229));
    CHECK_FALSE(Allows(program, kChar, kRead | kWrite, 10, 229));
    CHECK_FALSE(Allows(program, kChar, kRead, 10, 1));
    CHECK(Allows(program, kBlock, kRead, 8, 17));
    CHECK_FALSE(Allows(program, kBlock, kRead | kWrite, 8, 17));
    CHECK_FALSE(Allows(program, kChar, kRead, 8, 17));
    // Whatever the list says: the default devices, terminals, and nodes of any device.
    CHECK(Allows(program, kChar, kRead | kWrite, 1, 3));
    CHECK(Allows(program, kChar, kRead | kWrite, 136, 12));
    CHECK(Allows(program, kBlock, kMknod, 8, 0));
    CHECK(Allows(program, kBlock, kMknod | kRead, 8, 0));
    CHECK_FALSE(Allows(program, kBlock, kMknod | kWrite, 8, 0));
}

TEST_CASE("rules that decide nothing are not part of the program") {
    const auto length = [](std::string_view devices) {
        return DeviceProgram(*Read(Cat(R"({"devices":)", devices, "}"))->devices).size();
    };
    const size_t usual = length("[]");
    // As Podman has it, and Docker.
    CHECK(length(R"([{"allow":false,"access":"rwm"}])") == usual);
    const size_t console = length(R"([{"allow":true,"type":"c","major":5,"minor":1}])");
    CHECK(console > usual);
    CHECK(length(R"([{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"},
        {"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
        {"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},
        {"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}])") == console);
    // These take something away, or give something that nothing behind them covers.
    const std::string_view one = R"([{"allow":true,"type":"b","major":8},
        {"allow":false,"type":"b","major":8,"minor":1,"access":"w"}])";
    CHECK(length(one) > length(R"([{"allow":true,"type":"b","major":8}])"));
    const auto program = DeviceProgram(*Read(Cat(R"({"devices":)", one, "}"))->devices);
    CHECK(Allows(program, kBlock, kRead | kWrite, 8, 0));
    CHECK(Allows(program, kBlock, kRead, 8, 1));
    CHECK_FALSE(Allows(program, kBlock, kWrite, 8, 1));
    CHECK_FALSE(Allows(program, kChar, kRead, 8, 0));
}

TEST_CASE("without a list only the default devices may be used; a privileged one allows all") {
    const auto none = DeviceProgram(*ReadResources(nullptr)->devices);
    CHECK(Allows(none, kChar, kRead | kWrite, 1, 9));
    CHECK_FALSE(Allows(none, kBlock, kRead, 259, 0));
    CHECK_FALSE(Allows(none, kChar, kRead, 1, 1));
    const auto all = DeviceProgram(*Read(R"({"devices":[{"allow":true}]})")->devices);
    CHECK(Allows(all, kBlock, kRead | kWrite | kMknod, 259, 0));
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "host/acceleration.h"

#include <cerrno>

#include "host/host_cpu.h"
#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

constexpr std::string_view kNestedHost =
    "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme tsc constant_tsc nonstop_tsc "
    "hypervisor\n\n"
    "processor\t: 1\nflags\t\t: fpu\n";
constexpr std::string_view kIntel =
    "processor\t: 0\nflags\t\t: fpu vme vmx smx\nvmx flags\t: vnmi\n";
constexpr std::string_view kAmd = "processor\t: 0\nflags\t\t: fpu svm\n";
// No flag, but words in which the flags' names occur.
constexpr std::string_view kMisleading =
    "processor\t: 0\nmodel name\t: svm vmx\nflags\t\t: fpu svm_lock xvmx\n";

struct Host {
    test::TemporaryDirectory directory;
    AccelerationEvidence evidence;

    Host(std::string_view cpuinfo, int api_version) {
        evidence.cpuinfo = directory.Write("cpuinfo", cpuinfo);
        evidence.kvm_device = directory.Write("kvm", "");
        evidence.api_version = [api_version](int) { return api_version; };
    }
};

}  // namespace

TEST_CASE("auto takes KVM where the device answers and the CPU can run a stock guest") {
    for (const auto cpuinfo : {kIntel, kAmd}) {
        const Host host(cpuinfo, 12);
        const auto choice = ChooseAcceleration(Acceleration::kAuto, host.evidence);
        REQUIRE(choice);
        CHECK(choice->engine == Acceleration::kKvm);
        CHECK(test::Contains(choice->reason, "works"));
    }
}

TEST_CASE("auto emulates where /dev/kvm opens but the CPU shows no virtualisation, and says so") {
    for (const auto cpuinfo : {kNestedHost, kMisleading}) {
        const Host host(cpuinfo, 12);
        const auto choice = ChooseAcceleration(Acceleration::kAuto, host.evidence);
        REQUIRE(choice);
        CHECK(choice->engine == Acceleration::kTcg);
        CHECK(test::Contains(choice->reason, "neither vmx nor svm"));
        CHECK_FALSE(test::Contains(choice->reason, "\n"));
    }
}

TEST_CASE(
    "auto emulates where there is no device, it is not ours to open, or it speaks another "
    "version") {
    Host host(kIntel, 11);
    auto choice = ChooseAcceleration(Acceleration::kAuto, host.evidence);
    REQUIRE(choice);
    CHECK(choice->engine == Acceleration::kTcg);
    CHECK(test::Contains(choice->reason, "version 11"));

    host.evidence.api_version = [](int) {
        errno = ENOTTY;
        return -1;
    };
    choice = ChooseAcceleration(Acceleration::kAuto, host.evidence);
    REQUIRE(choice);
    CHECK(choice->engine == Acceleration::kTcg);
    CHECK(test::Contains(choice->reason, "Inappropriate ioctl"));

    host.evidence.kvm_device += ".absent";
    choice = ChooseAcceleration(Acceleration::kAuto, host.evidence);
    REQUIRE(choice);
    CHECK(choice->engine == Acceleration::kTcg);
    CHECK(test::Contains(choice->reason, "No such file"));
}

TEST_CASE("demanding KVM where it cannot be is an error that says why and what to do") {
    const Host host(kNestedHost, 12);
    const auto message = test::ErrorOf(ChooseAcceleration(Acceleration::kKvm, host.evidence));
    CHECK(test::Contains(message, "neither vmx nor svm"));
    CHECK(test::Contains(message, "use auto or tcg"));
}

TEST_CASE("demanding emulation asks nothing of the host") {
    AccelerationEvidence nothing{
        .kvm_device = "/nonexistent", .cpuinfo = "/nonexistent", .api_version = nullptr};
    const auto choice = ChooseAcceleration(Acceleration::kTcg, nothing);
    REQUIRE(choice);
    CHECK(choice->engine == Acceleration::kTcg);
}

TEST_CASE("the host's CPUs are counted and the first one's flags are known") {
    const Host host(kNestedHost, 12);
    const auto cpu = ReadHostCpu(host.evidence.cpuinfo);
    REQUIRE(cpu);
    CHECK(cpu->count == 2);
    CHECK(cpu->StableTsc());
    CHECK_FALSE(cpu->Has("vmx"));
    const test::TemporaryDirectory directory;
    CHECK_FALSE(ReadHostCpu(directory.Write("empty", "")));
    CHECK(ReadHostMemoryMib(directory.Write("meminfo", "MemTotal:       24684096 kB\n"))
              .value_or(0) == 24105);
}

TEST_CASE("two measurements of the time stamp counter agree") {
    const TscMeasurement first;
    const auto a = first.Khz();
    const TscMeasurement second;
    const auto b = second.Khz();
    CHECK(a > 100'000);
    CHECK(a < 20'000'000);
    CHECK(std::abs(a - b) < a / 100);
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "agent/processors.h"

#include "agent/device_events.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::agent {

TEST_CASE("processors that are there are taken into use, and waited for") {
    const test::Scratch scratch;
    const std::string all = scratch.path();
    // The first cannot be taken out of use; the others of these are none.
    for (const char* name : {"cpu0", "cpufreq", "cpuidle", "cpu"})
        REQUIRE(MakeDirectories(Cat(all, "/", name), 0700));
    CHECK(UseProcessors(all).value() == 1);
    REQUIRE(MakeDirectories(all + "/cpu1", 0700));
    const std::string online = all + "/cpu1/online";
    REQUIRE(WriteFileAtomic(online, "0\n", 0600));
    CHECK(AwaitProcessors(2, std::chrono::milliseconds(0), all));
    CHECK(ReadFile(online, 16).value().starts_with("1"));
    const auto late = AwaitProcessors(3, std::chrono::milliseconds(10), all);
    REQUIRE_FALSE(late);
    CHECK(late.error().message == "of 3 processors the guest's kernel has taken 2 into use so far");
    CHECK_FALSE(UseProcessors(all + "/none"));
}

TEST_CASE("of the kernel's device events those of new processors are known") {
    using namespace std::string_view_literals;
    CHECK(BringsProcessor("add@/devices/system/cpu/cpu1\0ACTION=add\0SUBSYSTEM=cpu"sv));
    CHECK_FALSE(BringsProcessor("online@/devices/system/cpu/cpu1\0ACTION=online"sv));
    CHECK_FALSE(BringsProcessor("add@/devices/system/memory/memory33"sv));
    CHECK_FALSE(BringsProcessor(""));
}

}  // namespace cc::agent

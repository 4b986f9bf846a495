// SPDX-License-Identifier: Apache-2.0
// What the host spends on the memory of virtual machines.
#include <thread>

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/e2e/templates.h"

namespace cc::test {

namespace {

constexpr const char* kDebianQemu = "/usr/bin/qemu-system-x86_64";
constexpr const char* kOwnQemu = CC_SHARE_DIR "/../../libexec/clear-containers/cc-qemu";
constexpr int64_t kUsedMib = 300;

// Pages of the template that nobody has written to are none.
int64_t AnonymousMib(pid_t pid) {
    const std::string text = ReadFile(Cat("/proc/", pid, "/smaps_rollup"), 64 << 10).value_or("");
    for (const auto& line : Split(text, '\n'))
        if (line.starts_with("Anonymous:"))
            return ParseNumber<int64_t>(Trim(line.substr(10, line.size() - 13))).value_or(0) >> 10;
    return 0;
}

// A container that fills a tmpfs, and empties it as soon as a file is there.
void StartUser(Host& host) {
    host.Start("c1",
               {"sh", "-c",
                Cat("dd if=/dev/zero of=/fill/x bs=1M count=", kUsedMib,
                    "; touch /tmp/full; while ! [ -e /tmp/empty ]; do sleep 0.2; done; rm /fill/x; "
                    "sleep 1000")},
               "", [](Json& config) {
                   config["mounts"].push_back({{"destination", "/fill"},
                                               {"type", "tmpfs"},
                                               {"source", "tmpfs"},
                                               {"options", {"size=400m"}}});
               });
}

bool Exec(Host& host, const char* command) {
    return host.Runtime({"exec", "c1", "sh", "-c", command}).status == 0;
}

// Most of what was used.
bool GivesBack(pid_t vmm, int64_t full_mib) {
    for (int i = 0; i < 300; ++i) {
        if (AnonymousMib(vmm) < full_mib - kUsedMib * 3 / 4) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
}

}  // namespace

TEST_CASE("memory that a clone uses is there once, and goes back to the host when it is free") {
    for (const char* qemu : {kOwnQemu, kDebianQemu}) {
        if (!Exists(qemu)) continue;  // ours is not built everywhere
        CAPTURE(qemu);
        Host host =
            Host::WithTemplates(kNoPool, Cat("default_memory = 512\npath = \"", qemu, "\""));
        REQUIRE(host.Runtime({"template", "build"}).status == 0);
        const auto before = Template(host)["memoryBytes"].get<int64_t>() >> 20;
        StartUser(host);
        REQUIRE(Exec(host, "while ! [ -e /tmp/full ]; do sleep 0.2; done"));
        const pid_t vmm = host.PidOf(kVmm);
        const int64_t full = AnonymousMib(vmm);
        CHECK(full > kUsedMib);
        CHECK((Template(host)["memoryBytes"].get<int64_t>() >> 20) < before + kUsedMib / 4);
        REQUIRE(Exec(host, "touch /tmp/empty"));
        CHECK_MESSAGE(GivesBack(vmm, full), full, " MiB, then ", AnonymousMib(vmm));
        // What came back is used again.
        CHECK(Exec(host,
                   "dd if=/dev/urandom of=/fill/y bs=1M count=100 && sum=$(md5sum /fill/y) && "
                   "[ \"$sum\" = \"$(md5sum /fill/y)\" ]"));
        CHECK(Template(host)["clones"] == 1);
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    }
}

TEST_CASE("so it does from a machine that booted, unless the configuration says no") {
    for (const bool reclaims : {true, false}) {
        CAPTURE(reclaims);
        Host host(Cat("default_memory = 512\nreclaim_guest_freed_memory = ",
                      reclaims ? "true" : "false"));
        StartUser(host);
        REQUIRE(Exec(host, "while ! [ -e /tmp/full ]; do sleep 0.2; done"));
        const pid_t vmm = host.PidOf(kVmm);
        const int64_t full = AnonymousMib(vmm);
        REQUIRE(Exec(host, "touch /tmp/empty"));
        if (reclaims) {
            CHECK_MESSAGE(GivesBack(vmm, full), full, " MiB, then ", AnonymousMib(vmm));
        } else {
            std::this_thread::sleep_for(std::chrono::seconds(5));
            CHECK(AnonymousMib(vmm) > kUsedMib);
        }
        CHECK(host.Runtime({"delete", "--force", "c1"}).status == 0);
    }
}

}  // namespace cc::test

// SPDX-License-Identifier: Apache-2.0
// An OOM that the shim makes in its memory cgroup, for the engine that watches it.
#include "shim/oom_report.h"

#include <functional>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "base/text.h"
#include "tests/scratch.h"

namespace cc::shim {

namespace {

constexpr std::string_view kLimit = "67108864";

std::string Text(const std::string& path) {
    return std::string(Trim(ReadFile(path, 4096).value_or("")));
}

// A memory cgroup of version 1 of this test's own, with a limit of 64 MiB.
struct MemoryCgroup {
    std::string path = Cat("/sys/fs/cgroup/memory/cc-test-", ::getpid());
    bool made = ::mkdir(path.c_str(), 0755) == 0 && Exists(path + "/memory.limit_in_bytes") &&
                WriteExisting(path + "/memory.limit_in_bytes", kLimit).has_value();
    ~MemoryCgroup() { ::rmdir(path.c_str()); }
    // As containerd and conmon do it.
    Fd Watch() const {
        Fd event = Fd::Adopt(::eventfd(0, EFD_CLOEXEC));
        const Fd control = OpenFile(path + "/memory.oom_control", O_RDONLY).value();
        REQUIRE(
            WriteExisting(path + "/cgroup.event_control", Cat(event.get(), " ", control.get())));
        return event;
    }
    bool skip() const {
        if (!made) MESSAGE("skipped: no memory cgroup of version 1 can be made here");
        return !made;
    }
};

// `work` in a process of its own; its exit status.
int InChild(const std::function<bool()>& work) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(work() ? 0 : 1);
    int status = -1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return ExitCodeOf(status);
}

// ... that is in the cgroup.
int ReportWithin(const std::string& cgroup) {
    return InChild(
        [&] { return WriteExisting(cgroup + "/cgroup.procs", "0") && ReportOutOfMemory(cgroup); });
}

bool Happened(const Fd& event) {
    pollfd watched{event.get(), POLLIN, 0};
    return ::poll(&watched, 1, 10000) == 1;
}

}  // namespace

TEST_CASE("an OOM is seen by who watches the cgroup, kills nobody in it, and leaves its limit") {
    const MemoryCgroup cgroup;
    if (cgroup.skip()) return;
    const Fd event = cgroup.Watch();
    CHECK(ReportWithin(cgroup.path) == 0);
    CHECK(Happened(event));
    CHECK(Text(cgroup.path + "/memory.limit_in_bytes") == kLimit);
    CHECK(Text(cgroup.path + "/memory.oom_control").ends_with("oom_kill 1"));
    // The child takes no more than its share of a limit that is below it, either.
    REQUIRE(WriteExisting(cgroup.path + "/memory.limit_in_bytes", "4194304"));
    CHECK(ReportWithin(cgroup.path) == 0);
    CHECK(Text(cgroup.path + "/memory.limit_in_bytes") == "4194304");
}

TEST_CASE("where the kernel does not kill, the child ends by itself and the limit is put back") {
    const test::Scratch scratch;
    for (const bool version1 : {true, false}) {
        const std::string cgroup = scratch / (version1 ? "v1" : "v2");
        REQUIRE(MakeDirectories(cgroup, 0755));
        const std::string limit = cgroup + (version1 ? "/memory.limit_in_bytes" : "/memory.max");
        const std::string usage =
            cgroup + (version1 ? "/memory.usage_in_bytes" : "/memory.current");
        REQUIRE(WriteFileAtomic(limit, kLimit, 0644));
        REQUIRE(WriteFileAtomic(usage, "2000000", 0644));
        REQUIRE(WriteFileAtomic(cgroup + "/memory.oom.group", "1", 0644));
        // In a process of its own, whose preference for being killed it changes.
        CHECK(InChild([&] {
                  const auto reported = ReportOutOfMemory(cgroup);
                  return !reported && reported.error().message.find("got all") != std::string::npos;
              }) == 0);
        CHECK(Text(limit) == kLimit);
        CHECK(Text(cgroup + "/memory.oom.group") == "1");
    }
}

TEST_CASE("without a limit the guest's word for an OOM is not believed") {
    const test::Scratch scratch;
    CHECK_FALSE(ReportOutOfMemory(scratch.path()));
    for (const auto& [file, text] : {std::pair("memory.max", "max\n"),
                                     std::pair("memory.limit_in_bytes", "9223372036854771712\n")}) {
        REQUIRE(WriteFileAtomic(scratch / file, text, 0644));
        const auto reported = ReportOutOfMemory(scratch.path());
        REQUIRE_FALSE(reported);
        CHECK(reported.error().message.find(file) != std::string::npos);
        CHECK(Text(scratch / file) == Trim(text));
    }
}

}  // namespace cc::shim

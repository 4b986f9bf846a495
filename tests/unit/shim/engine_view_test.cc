// SPDX-License-Identifier: Apache-2.0
// What is found at "/" of a shim that has entered a container's root file system.
#include "shim/engine_view.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "shim/host_mounts.h"
#include "tests/unit/shim/scripted_proxy.h"

namespace cc::test {

namespace {

// Makes `root` the root directory of this process, in a mount namespace of its own.
Result<void> EnterRootDirectory(const std::string& root) {
    if (::unshare(CLONE_NEWNS) < 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr) < 0 ||
        ::chdir(root.c_str()) < 0)
        return FailErrno("entering a root directory");
    return shim::HostMounts::Leave();
}

// What `look` finds as process 1 with `root` as its root directory; an error's text otherwise.
std::string Seen(const std::string& root, const std::function<Result<std::string>()>& look) {
    FdPair out = MakePipe().value();
    SpawnOptions options;
    options.executable = "/never";
    options.new_pid_namespace = true;
    options.in_child = [&]() -> Result<void> {
        CC_TRY(EnterRootDirectory(root));
        CC_TRY(shim::ShowOwnProcess());
        CC_ASSIGN(const std::string seen, look());
        (void)WriteAll(out.second.get(), seen);
        ::_exit(0);
    };
    (void)Spawn(options);
    out.second.Reset();
    return ReadAll(out.first.get(), 1 << 20).value();
}

std::string Names(const std::string& directory) {
    auto names = ListDirectory(directory).value_or(std::vector<std::string>{"nothing"});
    return Join(names, " ");
}

}  // namespace

TEST_CASE("a shim shows itself in /proc, and nothing of the host") {
    if (::geteuid() != 0) return;
    TempDirectory root;
    const std::string seen = Seen(root / "", [&]() -> Result<std::string> {
        CC_ASSIGN(const std::string status, ReadFile("/proc/1/status", 65536));
        CC_ASSIGN(const std::string stat, ReadFile("/proc/stat", 4096));
        const size_t pid = status.find("\nPid:\t");
        const bool kept = ::mkdir("/proc/made", 0755) < 0 && ::mkdir("/dev/made", 0755) < 0 &&
                          !WriteExisting("/proc/1/oom_score_adj", "1000");
        return Cat(Names("/proc"), status.substr(pid, status.find('\n', pid + 1) - pid), "\n",
                   stat.substr(0, stat.find(' ')), " ", ReadLink("/proc/self").value_or("?"), " ",
                   Names("/dev"), kept ? "" : " writable");
    });
    CHECK(seen == "1 self stat\nPid:\t1\nbtime 1 pts");
    // Mount points that every runtime makes, and no more.
    CHECK(Names(root / "") == "dev proc");
    CHECK(Names(root / "proc").empty());
}

TEST_CASE("a /dev that has what is looked for stays as it is, and a /proc that is no directory") {
    if (::geteuid() != 0) return;
    TempDirectory root;
    REQUIRE(MakeDirectories(root / "dev/pts", 0755));
    REQUIRE(WriteFileAtomic(root / "dev/own", "x", 0644));
    CHECK(Seen(root / "", [&]() -> Result<std::string> { return Names("/dev"); }) == "own pts");
    REQUIRE(::rmdir((root / "proc").c_str()) == 0);
    REQUIRE(WriteFileAtomic(root / "proc", "x", 0644));
    CHECK(Seen(root / "", [&]() -> Result<std::string> { return "shown"; }).empty());
    CHECK(ReadFile(root / "proc", 10).value() == "x");
}

}  // namespace cc::test

// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <functional>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/scratch.h"

namespace cc {
namespace {

using namespace std::chrono_literals;

// Runs a body in a child with a mount namespace of its own, so that nothing it mounts is seen
// elsewhere. The body returns what went wrong.
Result<void> InMountNamespace(const std::function<Result<void>()>& body) {
    CC_ASSIGN(FdPair answer, MakePipe());
    const pid_t child = ::fork();
    if (child < 0) return FailErrno("forking");
    if (child == 0) {
        const bool apart = ::unshare(CLONE_NEWNS) == 0 &&
                           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        const auto done = apart ? body() : FailErrno("leaving the mount namespace");
        if (!done) (void)WriteAll(answer.second.get(), done.error().message);
        ::_exit(done ? 0 : 1);
    }
    answer.second.Reset();
    const auto text = ReadAll(answer.first.get(), 65536);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status == 0) return {};
    return Fail(Cat("in the child: ", text.value_or("")));
}

bool SkippedWithoutRoot() {
    if (::geteuid() == 0) return false;
    MESSAGE("needs root");
    std::puts("SKIPPED: mounting needs root");
    return true;
}

std::vector<std::string> List(const std::string& path) {
    return ListDirectory(path).value();
}

#define ENSURE(condition) \
    if (!(condition)) return Fail(#condition)

}  // namespace

TEST_CASE("an atomic write replaces the content and leaves nothing else behind") {
    const test::Scratch scratch;
    REQUIRE(WriteFileAtomic(scratch / "f", "one", 0640));
    REQUIRE(WriteFileAtomic(scratch / "f", "two", 0640));
    CHECK(ReadFile(scratch / "f", 3) == "two");
    CHECK(List(scratch.path()) == std::vector<std::string>{"f"});
    struct stat status {};
    REQUIRE(::stat((scratch / "f").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    CHECK_FALSE(WriteFileAtomic(scratch / "no/f", "x", 0600));
    CHECK(ReadFile(scratch / "f", 2).error().code == EFBIG);
    const auto missing = ReadFile(scratch / "none", 10);
    CHECK(missing.error().message ==
          Cat("opening ", scratch / "none", ": No such file or directory"));
}

TEST_CASE("a reader of a file that is written atomically never sees half of it") {
    const test::Scratch scratch;
    const std::string path = scratch / "f";
    const std::string a(50000, 'a'), b(50000, 'b');
    REQUIRE(WriteFileAtomic(path, a, 0600));
    std::thread writer([&] {
        for (int i = 0; i < 200; ++i)
            CHECK(WriteFileAtomic(path, i % 2 == 0 ? b : a, 0600));
    });
    for (int i = 0; i < 200; ++i) {
        const std::string seen = ReadFile(path, 1 << 20).value();
        CHECK((seen == a || seen == b));
    }
    writer.join();
}

TEST_CASE(
    "on a full disk an atomic write fails, keeps the old content and leaves no temporary file") {
    if (SkippedWithoutRoot()) return;
    const test::Scratch scratch;
    const auto done = InMountNamespace([&]() -> Result<void> {
        if (::mount("tmpfs", scratch.path().c_str(), "tmpfs", 0, "size=64k") < 0)
            return FailErrno("mounting a tmpfs");
        CC_TRY(WriteFileAtomic(scratch / "state", "old", 0600));
        const auto written = WriteFileAtomic(scratch / "state", std::string(1 << 20, 'x'), 0600);
        ENSURE(!written);
        ENSURE(written.error().code == ENOSPC);
        ENSURE(written.error().message.find(scratch / "state") != std::string::npos);
        ENSURE(ReadFile(scratch / "state", 100).value() == "old");
        ENSURE(List(scratch.path()).size() == 1);
        return {};
    });
    CHECK_MESSAGE(done, done.error().message);
}

TEST_CASE("a text goes into an existing file only") {
    const test::Scratch scratch;
    CHECK(WriteExisting(scratch / "f", "x").error().code == ENOENT);
    REQUIRE(WriteFileAtomic(scratch / "f", "abc", 0600));
    REQUIRE(WriteExisting(scratch / "f", "x"));
    CHECK(ReadFile(scratch / "f", 10) == "xbc");
    CHECK(WriteExisting("/proc/self/oom_score_adj", "never").error().code == EINVAL);
}

TEST_CASE("directories are made with their parents, and a symbolic link is not taken for one") {
    const test::Scratch scratch;
    REQUIRE(MakeDirectories(scratch / "a/b/c", 0700));
    REQUIRE(MakeDirectories(scratch / "a/b/c", 0700));
    CHECK(Exists(scratch / "a/b/c"));
    REQUIRE(::symlink("a", (scratch / "link").c_str()) == 0);
    CHECK(MakeDirectories(scratch / "link", 0700).error().code == ENOTDIR);
    REQUIRE(::symlink("/nowhere", (scratch / "dangling").c_str()) == 0);
    CHECK(MakeDirectories(scratch / "dangling", 0700).error().code == ENOTDIR);
    REQUIRE(WriteFileAtomic(scratch / "file", "", 0600));
    CHECK_FALSE(MakeDirectories(scratch / "file", 0700));
    CHECK_FALSE(MakeDirectories(scratch / "file/below", 0700));
}

TEST_CASE("removing a tree follows no symbolic link") {
    const test::Scratch scratch;
    REQUIRE(MakeDirectories(scratch / "precious/inner", 0700));
    REQUIRE(WriteFileAtomic(scratch / "precious/inner/file", "x", 0600));
    REQUIRE(MakeDirectories(scratch / "tree/deep/deeper", 0700));
    REQUIRE(WriteFileAtomic(scratch / "tree/deep/file", "x", 0400));
    REQUIRE(::symlink("../precious", (scratch / "tree/link").c_str()) == 0);
    REQUIRE(::symlink("/nowhere", (scratch / "tree/deep/dangling").c_str()) == 0);
    REQUIRE(::mkfifo((scratch / "tree/fifo").c_str(), 0600) == 0);
    REQUIRE(::symlink("precious", (scratch / "top").c_str()) == 0);
    REQUIRE(RemoveTree(scratch / "tree/"));
    REQUIRE(RemoveTree(scratch / "top"));
    CHECK(List(scratch.path()) == std::vector<std::string>{"precious"});
    CHECK(Exists(scratch / "precious/inner/file"));
    CHECK(RemoveTree(scratch / "tree"));  // gone already: success
    CHECK(RemoveTree(scratch / "no/such/parent"));
    for (const char* path : {"", "/", "//", ".", "..", "/.", "/tmp/.."})
        CHECK_FALSE(RemoveTree(path));
}

TEST_CASE("removing a tree stops at mounts, also at a bind mount of the same file system") {
    if (SkippedWithoutRoot()) return;
    const test::Scratch scratch;
    REQUIRE(MakeDirectories(scratch / "precious", 0700));
    REQUIRE(WriteFileAtomic(scratch / "precious/file", "x", 0600));
    for (const bool bind : {true, false}) {
        REQUIRE(MakeDirectories(scratch / "tree/sub/mount", 0700));
        const auto done = InMountNamespace([&]() -> Result<void> {
            const std::string target = scratch / "tree/sub/mount";
            const int mounted = bind ? ::mount((scratch / "precious").c_str(), target.c_str(),
                                               nullptr, MS_BIND, nullptr)
                                     : ::mount("tmpfs", target.c_str(), "tmpfs", 0, nullptr);
            if (mounted < 0) return FailErrno("mounting");
            CC_TRY(WriteFileAtomic(target + "/more", "x", 0600));
            const auto removed = RemoveTree(scratch / "tree");
            ENSURE(!removed);
            ENSURE(removed.error().code == EBUSY);
            ENSURE(removed.error().message.find(target) != std::string::npos);
            ENSURE(Exists(target + "/more"));
            ENSURE(!RemoveTree(target));
            ENSURE(Exists(target + "/more"));
            return {};
        });
        CHECK_MESSAGE(done, done.error().message);
        CHECK(Exists(scratch / "precious/file"));
        CHECK(RemoveTree(scratch / "tree"));
    }
}

TEST_CASE("shared locks go together, an exclusive one goes alone, and the deadline is kept") {
    using Mode = FileLock::Mode;
    const test::Scratch scratch;
    const std::string path = scratch / "lock";
    {
        const FileLock first = FileLock::Acquire(path, Mode::kShared, 0ms).value();
        const FileLock second = FileLock::Acquire(path, Mode::kShared, 0ms).value();
        const auto third = FileLock::Acquire(path, Mode::kExclusive, 20ms);
        REQUIRE_FALSE(third);
        CHECK(third.error().code == ETIMEDOUT);
        CHECK(third.error().message.find(path) != std::string::npos);
        CHECK(third.error().message.find("20 ms") != std::string::npos);
    }
    const FileLock exclusive = FileLock::Acquire(path, Mode::kExclusive, 0ms).value();
    CHECK_FALSE(FileLock::Acquire(path, Mode::kShared, 0ms));
    CHECK_FALSE(FileLock::Acquire(path, Mode::kExclusive, 0ms));
}

TEST_CASE("who waits for a lock gets it when it is given back") {
    const test::Scratch scratch;
    auto held = FileLock::Acquire(scratch / "lock", FileLock::Mode::kExclusive, 0ms);
    REQUIRE(held);
    std::thread waiter(
        [&] { CHECK(FileLock::Acquire(scratch / "lock", FileLock::Mode::kExclusive, 30s)); });
    held = Fail("given back");
    waiter.join();
}

TEST_CASE("a lock whose file was removed by its holder keeps nobody out") {
    const test::Scratch scratch;
    const std::string path = scratch / "sandbox/lock";
    REQUIRE(MakeDirectories(scratch / "sandbox", 0700));
    auto deleting = FileLock::Acquire(path, FileLock::Mode::kExclusive, 0ms);
    REQUIRE(deleting);
    std::thread waiter([&] {
        // Whoever comes through must hold the file that newcomers find at the path.
        const auto mine = FileLock::Acquire(path, FileLock::Mode::kExclusive, 30s);
        REQUIRE(mine);
        CHECK_FALSE(FileLock::Acquire(path, FileLock::Mode::kExclusive, 0ms));
    });
    REQUIRE(::unlink(path.c_str()) == 0);
    deleting = Fail("given back");
    waiter.join();
    REQUIRE(RemoveTree(scratch / "sandbox"));
    CHECK(FileLock::Acquire(path, FileLock::Mode::kShared, 1s).error().code == ENOENT);
}

TEST_CASE("a lock does not follow a symbolic link") {
    const test::Scratch scratch;
    REQUIRE(::symlink("target", (scratch / "lock").c_str()) == 0);
    CHECK_FALSE(FileLock::Acquire(scratch / "lock", FileLock::Mode::kShared, 0ms));
    CHECK_FALSE(Exists(scratch / "target"));
}

TEST_CASE("listing is sorted, and links are read as they are") {
    const test::Scratch scratch;
    for (const char* name : {"b", "a", ".c"})
        REQUIRE(WriteFileAtomic(scratch / name, "", 0600));
    CHECK(List(scratch.path()) == std::vector<std::string>{".c", "a", "b"});
    CHECK_FALSE(ListDirectory(scratch / "none"));
    REQUIRE(::symlink("some/where", (scratch / "link").c_str()) == 0);
    CHECK(ReadLink(scratch / "link") == "some/where");
    CHECK_FALSE(ReadLink(scratch / "a"));
    CHECK(SelfPath().value().ends_with("unit-base"));
}

}  // namespace cc

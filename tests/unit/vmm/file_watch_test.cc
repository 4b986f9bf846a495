// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/file_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/vmm/fixtures.h"

namespace cc {

namespace {

struct Watched {
    test::TemporaryDirectory directory;
    uv::Loop loop;
    int told = 0;
    std::unique_ptr<FileWatch> watch;

    Watched() {
        REQUIRE(MakeDirectories(directory / "a/b", 0700));
        directory.Write("a/b/file", "as it was");
        directory.Write("a/b/neighbour", "of no interest");
        auto opened = FileWatch::Open(loop, {directory / "a/b/file"}, [this] { ++told; });
        REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
        watch = std::move(*opened);
    }
    // What has happened before is told in one turn. The mounts of the machine are not ours: what
    // they tell is not counted.
    bool Told() {
        told = 0;
        uv_run(loop.raw(), UV_RUN_NOWAIT);
        return told > 0;
    }
};

}  // namespace

TEST_CASE("a watched file's removal, replacement, change and move are told") {
    Watched watched;
    const std::string file = watched.directory / "a/b/file";
    SUBCASE("removed") {
        REQUIRE(::unlink(file.c_str()) == 0);
    }
    SUBCASE("replaced") {
        watched.directory.Write("a/b/file", "anew");
    }
    SUBCASE("changed in place") {
        REQUIRE(WriteExisting(file, "in place"));
    }
    SUBCASE("its mode is changed") {
        REQUIRE(::chmod(file.c_str(), 0400) == 0);
    }
    SUBCASE("moved") {
        REQUIRE(::rename(file.c_str(), (watched.directory / "elsewhere").c_str()) == 0);
    }
    SUBCASE("a directory above it is moved") {
        REQUIRE(::rename((watched.directory / "a").c_str(), (watched.directory / "z").c_str()) ==
                0);
    }
    SUBCASE("all of it is removed") {
        REQUIRE(RemoveTree(watched.directory / "a"));
    }
    CHECK(watched.Told());
}

TEST_CASE("a file that is not there cannot be watched") {
    uv::Loop loop;
    const auto opened = FileWatch::Open(loop, {"/nowhere/file"}, [] {});
    CHECK(test::Contains(test::ErrorOf(opened), "/nowhere/file"));
}

}  // namespace cc

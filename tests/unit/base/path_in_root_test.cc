// SPDX-License-Identifier: Apache-2.0
#include "base/path_in_root.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/scratch.h"

namespace cc {

namespace {

struct Tree {
    test::Scratch scratch;
    Fd root;

    Tree() {
        REQUIRE(MakeDirectories(scratch / "root/etc", 0755));
        REQUIRE(MakeDirectories(scratch / "outside", 0755));
        auto opened = OpenFile(scratch / "root", O_PATH | O_DIRECTORY);
        REQUIRE(opened);
        root = std::move(*opened);
    }
    void Link(const std::string& target, const std::string& name) const {
        REQUIRE(::symlink(target.c_str(), (scratch / ("root/" + name)).c_str()) == 0);
    }
    bool Has(const std::string& name) const { return Exists(scratch / ("root/" + name)); }
};

}  // namespace

TEST_CASE("missing mount points are made with the directories that lead to them") {
    const Tree tree;
    CHECK(MakeInRoot(tree.root.get(), "/a/b/c", PathKind::kDirectory));
    CHECK(tree.Has("a/b/c"));
    CHECK(MakeInRoot(tree.root.get(), "/a/x/file", PathKind::kFile));
    struct stat status {};
    REQUIRE(::stat((tree.scratch / "root/a/x/file").c_str(), &status) == 0);
    CHECK(S_ISREG(status.st_mode));
}

TEST_CASE("no link and no dots lead out of the root") {
    const Tree tree;
    tree.Link("../../../../../outside", "up");
    tree.Link(tree.scratch / "outside", "absolute");
    for (const std::string path : {"/up/x", "/absolute/y", "/../../outside/z"})
        CHECK(MakeInRoot(tree.root.get(), path, PathKind::kDirectory));
    CHECK(ListDirectory(tree.scratch / "outside")->empty());

    CHECK(tree.Has("outside/z"));
}

TEST_CASE("the missing target of a link is made where the link points") {
    const Tree tree;
    tree.Link("../run/systemd/resolve/stub-resolv.conf", "etc/resolv.conf");
    CHECK(MakeInRoot(tree.root.get(), "/etc/resolv.conf", PathKind::kFile));
    CHECK(tree.Has("run/systemd/resolve/stub-resolv.conf"));
}

TEST_CASE("a loop of links is an error, not a hang") {
    const Tree tree;
    tree.Link("b", "a");
    tree.Link("a", "b");
    const auto made = MakeInRoot(tree.root.get(), "/a/x", PathKind::kDirectory);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ELOOP);
}

TEST_CASE("a file in the way of a directory is an error") {
    const Tree tree;
    REQUIRE(WriteFileAtomic(tree.scratch / "root/file", "", 0644));
    CHECK_FALSE(MakeInRoot(tree.root.get(), "/file/x", PathKind::kDirectory));
}

}  // namespace cc

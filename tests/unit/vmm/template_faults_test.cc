// SPDX-License-Identifier: Apache-2.0
// What others do to a template: whoever asks has a VM of it all the same, or hears why not; and no
// keeper stays that nobody can find.
#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/template_failure.h"
#include "tests/unit/vmm/template_fixture.h"

namespace cc {

using test::Ends;
using test::Template;

namespace {

void Signal(int64_t pid, int signal) {
    REQUIRE(::kill(static_cast<pid_t>(pid), signal) == 0);
}

// Whatever else is expected: the files, and nothing in the way of a clone.
void CheckFiles(Template& made, const std::string& name, const Result<TakenVm>& taken) {
    REQUIRE_MESSAGE(taken, (taken ? "" : taken.error().message));
    CHECK_FALSE(taken->pooled);
    CHECK(taken->memory);
    CHECK(ListDirectory(made.directory / name).value().empty());
}

}  // namespace

TEST_CASE("a keeper that nobody can find any more ends, with its pool") {
    Template made("fake.agent", 1);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(1));
    const int64_t keeper = made.Status().pid;
    const VmStatus pooled = made.Child();
    SUBCASE("its socket is removed") {
        REQUIRE(::unlink((made / kTemplateSocketName).c_str()) == 0);
    }
    SUBCASE("its directory is removed") {
        (void)RemoveTree(made.config.directory);
    }
    SUBCASE("its directory is moved") {
        REQUIRE(::rename(made.config.directory.c_str(), (made.directory / "moved").c_str()) == 0);
    }
    SUBCASE("its socket is replaced by something else") {
        REQUIRE(WriteFileAtomic(made / kTemplateSocketName, "no socket", 0600));
    }
    CHECK(Ends(keeper));
    CHECK(Ends(pooled.keeper_pid));
    CHECK(Ends(pooled.vmm_pid));
    // The next one is as good, and nobody who is on the way out takes its directory.
    REQUIRE(made.Take("b"));
    REQUIRE(made.WaitPool(1));
    CHECK(made.Status().pid != keeper);
}

TEST_CASE("so it does when another keeper has its place already") {
    Template made;
    REQUIRE(made.Take("a"));
    const int64_t first = made.Status().pid;
    Signal(first, SIGSTOP);
    (void)RemoveTree(made.config.directory);
    REQUIRE(made.Take("b"));
    const int64_t second = made.Status().pid;
    Signal(first, SIGCONT);
    CHECK(Ends(first));
    CHECK(made.Status().pid == second);
    CHECK(made.Take("c"));
}

TEST_CASE("one whose template is being made ends likewise") {
    Template made("fake.agent fake.slow-save");
    auto client = made.Client();
    REQUIRE(client);
    const int64_t keeper = made.Status().pid;
    const VmStatus builder = made.Child();
    (void)RemoveTree(made.config.directory);
    // It says why, or has gone before it is asked.
    CHECK_FALSE(client->Take(made.config.key, made.directory / "a", test::kTemplatePatience));
    CHECK(Ends(keeper));
    CHECK(Ends(builder.vmm_pid));
    CHECK(Ends(builder.keeper_pid));
}

TEST_CASE("whatever is in the places of a template's files is cleared away") {
    Template made;
    REQUIRE(MakeDirectories(made.config.directory, 0700));
    const std::string socket = made / kTemplateSocketName;
    SUBCASE("a file for the socket") {
        REQUIRE(WriteFileAtomic(socket, "no socket", 0600));
    }
    SUBCASE("a directory for the socket") {
        REQUIRE(MakeDirectories(socket + "/deeper", 0700));
    }
    SUBCASE("a link to nowhere for the socket") {
        REQUIRE(::symlink("/nowhere/at/all", socket.c_str()) == 0);
    }
    SUBCASE("a link to itself for the socket") {
        REQUIRE(::symlink(socket.c_str(), socket.c_str()) == 0);
    }
    SUBCASE("a FIFO for the socket") {
        REQUIRE(::mkfifo(socket.c_str(), 0600) == 0);
    }
    SUBCASE("a socket of another type that nobody listens on") {
        REQUIRE(ListenUnix(socket, SOCK_STREAM, 0600));
    }
    SUBCASE("directories for everything else") {
        for (const auto name : {kTemplateLogName, kTemplateFailureName})
            REQUIRE(MakeDirectories(made / name, 0700));
        REQUIRE(WriteFileAtomic(made / kTemplatePoolName, "no directory", 0600));
    }
    SUBCASE("an empty failure") {
        REQUIRE(WriteFileAtomic(made / kTemplateFailureName, "", 0600));
    }
    const auto taken = made.Take("a");
    REQUIRE_MESSAGE(taken, (taken ? "" : taken.error().message));
    CHECK_FALSE(Exists(made / kTemplateFailureName));
}

TEST_CASE("a socket that somebody else listens on is one error") {
    Template made;
    REQUIRE(MakeDirectories(made.config.directory, 0700));
    const auto theirs = ListenUnix(made / kTemplateSocketName, SOCK_STREAM, 0600);
    REQUIRE(theirs);
    CHECK(test::Contains(test::ErrorOf(made.Take("a")), "already being served"));
}

TEST_CASE("a VM of the pool that is killed or hangs while it is handed out: the files instead") {
    Template made("fake.agent", 1);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(1));
    const int64_t keeper = made.Status().pid;
    const VmStatus pooled = made.Child();
    SUBCASE("its VMM is stopped") {
        Signal(pooled.vmm_pid, SIGSTOP);
    }
    SUBCASE("its keeper is stopped") {
        Signal(pooled.keeper_pid, SIGSTOP);
    }
    SUBCASE("its VMM is killed") {
        // Its keeper does not hear of it before it is asked.
        Signal(pooled.keeper_pid, SIGSTOP);
        Signal(pooled.vmm_pid, SIGKILL);
        Signal(pooled.keeper_pid, SIGCONT);
    }
    SUBCASE("its keeper is killed") {
        Signal(pooled.keeper_pid, SIGKILL);
    }
    CheckFiles(made, "b", made.Take("b"));
    CHECK(Ends(pooled.keeper_pid));
    CHECK(Ends(pooled.vmm_pid));
    CHECK_FALSE(Exists(made / kTemplateFailureName));
    REQUIRE(made.WaitPool(1));
    CHECK(made.Status().pid == keeper);
}

TEST_CASE("a template whose VM is killed while it is made is made once more, at once") {
    Template made("fake.agent fake.slow-save");
    auto client = made.Client();
    REQUIRE(client);
    const int64_t keeper = made.Status().pid;
    const VmStatus builder = made.Child();
    SUBCASE("its VMM") {
        Signal(builder.vmm_pid, SIGKILL);
    }
    SUBCASE("its keeper") {
        Signal(builder.keeper_pid, SIGKILL);
    }
    CheckFiles(made, "a", made.Take("a"));
    CHECK(made.Status().pid == keeper);
}

TEST_CASE("if it is killed again, that is an error as any other") {
    Template made("fake.agent fake.slow-save");
    auto client = made.Client();
    REQUIRE(client);
    VmStatus builder = made.Child();
    Signal(builder.vmm_pid, SIGKILL);
    CHECK(Ends(builder.keeper_pid));
    builder = made.Child();
    Signal(builder.vmm_pid, SIGKILL);
    CHECK_FALSE(client->Take(made.config.key, made.directory / "a", test::kTemplatePatience));
    CHECK(made.Take("b").error().code == ECANCELED);
}

TEST_CASE("a template whose kernel is replaced ends at once, and nothing of it stays") {
    Template made("fake.agent", 1);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(1));
    const int64_t keeper = made.Status().pid;
    const VmStatus pooled = made.Child();
    SUBCASE("by another file") {
        made.directory.Write("vmlinux", "another");
    }
    SUBCASE("by the same file with an older time") {
        REQUIRE(WriteExisting(made.config.vm.kernel, "lenrek"));
        const timespec times[] = {{1, 0}, {1, 0}};
        REQUIRE(::utimensat(AT_FDCWD, made.config.vm.kernel.c_str(), times, 0) == 0);
    }
    SUBCASE("by nothing") {
        REQUIRE(::unlink(made.config.vm.kernel.c_str()) == 0);
    }
    CHECK(Ends(keeper));
    CHECK(Ends(pooled.keeper_pid));
    CHECK(Ends(pooled.vmm_pid));
    CHECK(made.Gone());
}

TEST_CASE("a kernel that is replaced while the template is made leaves no reason to remember") {
    Template made("fake.agent fake.slow-save");
    auto client = made.Client();
    REQUIRE(client);
    (void)made.Child();
    made.directory.Write("vmlinux", "another");
    CHECK(test::Contains(
        test::ErrorOf(client->Take(made.config.key, made.directory / "a", test::kTemplatePatience)),
        "replaced"));
    CHECK(made.Gone());
}

}  // namespace cc

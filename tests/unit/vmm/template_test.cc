// SPDX-License-Identifier: Apache-2.0
// The keeper of a template as the process it is, with fake VMMs, driven through the runtime's own
// client.
#include <csignal>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/template_failure.h"
#include "tests/unit/vmm/template_fixture.h"

namespace cc {

using test::Ends;
using test::Template;
constexpr auto kPatience = test::kTemplatePatience;

TEST_CASE("the first who wants a VM has the template made; clones are made of its files") {
    Template made;
    const auto taken = made.Take("a");
    REQUIRE_MESSAGE(taken, (taken ? "" : taken.error().message));
    CHECK_FALSE(taken->pooled);
    CHECK(ReadAll(taken->state.get(), 100).value() == "the state of a fake machine");
    CHECK(::pwrite(taken->memory.get(), "x", 1, 0) < 0);
    const TemplateStatus status = made.Status();
    CHECK(status.ready);
    CHECK(status.clones == 1);
    CHECK(status.memory_mib == 1);
    CHECK(status.machine == "pc");

    // A clone of it.
    VmConfig vm = made.config.vm;
    vm.origin = VmOrigin::kClone;
    vm.name = "clone";
    vm.directory = made.directory / "a";
    auto again = made.Take("a");
    REQUIRE(again);
    auto keeper = StartKeeper(CC_TEST_KEEPER, vm, nullptr, again->files());
    REQUIRE_MESSAGE(keeper, (keeper ? "" : keeper.error().message));
    auto client = VmClient::Connect(vm.directory);
    REQUIRE(client);
    CHECK_FALSE(client->Status()->paused);
    CHECK(client->Stop());
    CHECK(keeper->process.WaitEnd(kPatience).value_or(false));
    (void)keeper->process.Reap();

    auto keeper_of_it = TemplateClient::Connect(made.config.directory);
    REQUIRE(keeper_of_it);
    CHECK(keeper_of_it->Stop());
    CHECK(Ends(status.pid));
    CHECK(made.Gone());
}

TEST_CASE("our QEMU's clones get what the template has translated since the rehearsal began") {
    // By its name; and the template of another one is not asked to record anything.
    for (const bool own : {true, false}) {
        Template made;
        if (own) {
            made.config.vm.hypervisor = made.directory / kOwnQemuName;
            REQUIRE(::symlink(CC_FAKE_VMM, made.config.vm.hypervisor.c_str()) == 0);
            made.config.key = TemplateKey(CC_TEST_KEEPER, made.config.vm).value();
        }
        const auto taken = made.Take("a");
        REQUIRE_MESSAGE(taken, (taken ? "" : taken.error().message));
        CHECK(ReadAll(taken->translations.get(), 100).value() ==
              (own ? "translated up to stop 2" : ""));
        CHECK(::pwrite(taken->translations.get(), "x", 1, 0) < 0);

        VmConfig vm = made.config.vm;
        vm.origin = VmOrigin::kClone;
        vm.name = "clone";
        vm.directory = made.directory / "a";
        // The fake one wants to find them, and does not start otherwise.
        auto keeper = StartKeeper(CC_TEST_KEEPER, vm, nullptr, taken->files());
        REQUIRE_MESSAGE(keeper, (keeper ? "" : keeper.error().message));
        auto client = VmClient::Connect(vm.directory);
        REQUIRE(client);
        CHECK(client->Stop());
        CHECK(keeper->process.WaitEnd(kPatience).value_or(false));
        (void)keeper->process.Reap();
    }
}

TEST_CASE("many at once make one template") {
    Template made("fake.agent fake.slow-save");
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            auto client = made.Client();
            const bool good =
                client && client->Take(made.config.key, made.directory / "x", kPatience);
            ::_exit(good ? 0 : 1);
        }
        children.push_back(pid);
    }
    for (const pid_t pid : children) {
        int status = -1;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
    }
    CHECK(made.Status().clones == 8);
}

TEST_CASE("a pool's VM waits, paused, and is somebody's at once: directory, sockets, priority") {
    Template made("fake.agent", 2);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(2));
    const auto taken = made.Take("b");
    REQUIRE(taken);
    REQUIRE(taken->pooled);
    CHECK_FALSE(taken->pooled->paused);
    const std::string place = made.directory / "b";
    auto client = VmClient::Connect(place);
    REQUIRE(client);
    const auto status = client->Status();
    REQUIRE(status);
    CHECK(status->keeper_pid == taken->pooled->keeper_pid);
    CHECK_FALSE(Exists(Cat(place, "/", kPausedFileName)));
    const std::string stat = ReadFile(Cat("/proc/", status->vmm_pid, "/stat"), 4096).value();
    const auto fields = Split(stat.substr(stat.rfind(')') + 2), ' ');
    CHECK(fields.at(16) == "0");  // nice
    REQUIRE(made.WaitPool(2));    // filled up again

    // It outlives the template, and its keeper's end leaves nothing of it.
    const pid_t keeper = static_cast<pid_t>(made.Status().pid);
    ::kill(keeper, SIGKILL);
    CHECK(Ends(keeper));
    CHECK(client->Status());
    CHECK(client->Stop());
    CHECK(Ends(status->keeper_pid));
    CHECK(ListDirectory(place).value() ==
          std::vector<std::string>{std::string(kConsoleLogName), std::string(kKeeperLogName)});
}

TEST_CASE("the pool ends with a keeper that is killed, and the next one makes the template anew") {
    Template made("fake.agent", 1);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(1));
    const std::string pool =
        Cat(made.config.directory, "/", kTemplatePoolName, "/", made.Status().pid);
    const auto names = ListDirectory(pool).value();
    REQUIRE(names.size() == 1);
    auto waiting = VmClient::Connect(Cat(pool, "/", names[0]));
    REQUIRE(waiting);
    const auto status = waiting->Status();
    REQUIRE(status);
    CHECK(status->paused);
    ::kill(static_cast<pid_t>(made.Status().pid), SIGKILL);
    CHECK(Ends(status->vmm_pid));
    CHECK(Ends(status->keeper_pid));
    CHECK(made.Take("b"));
    CHECK(made.Status().clones == 1);
}

TEST_CASE("a template that cannot be made is one error, which is remembered for a while") {
    for (const auto& [behaviour, why] : {std::pair{"fake.refuse", "unsupported machine type"},
                                         {"fake.old-agent", "too old to be cloned"},
                                         {"fake.crash", ""}}) {
        CAPTURE(behaviour);
        Template made(behaviour);
        const auto first = made.Take("a");
        CHECK(test::Contains(test::ErrorOf(first), why));
        CHECK(first.error().code != ECANCELED);
        // A wall clock that has jumped does not matter.
        for (const time_t at : {time_t{1}, time_t{1} << 34}) {
            const timespec times[] = {{at, 0}, {at, 0}};
            REQUIRE(::utimensat(AT_FDCWD, (made / kTemplateFailureName).c_str(), times, 0) == 0);
            CHECK(made.Take("b").error().code == ECANCELED);
        }
        const auto second = made.Take("b");
        CHECK(test::Contains(test::ErrorOf(second), why));
        CHECK(second.error().code == ECANCELED);
        // A failure of long ago does not count, whatever the file's own time says.
        const std::string long_ago =
            Encode(TemplateFailure{SecondsSinceBoot() - kTemplateFailureCounts - 1, "of long ago"});
        REQUIRE(WriteFileAtomic(made / kTemplateFailureName, long_ago, 0600));
        CHECK(made.Take("c").error().code != ECANCELED);
    }
}

TEST_CASE("a kernel that is replaced while the template is made makes it useless") {
    Template made("fake.agent fake.slow-save");
    auto client = made.Client();
    REQUIRE(client);
    made.directory.Write("vmlinux", "another");
    CHECK(test::Contains(
        test::ErrorOf(client->Take(made.config.key, made.directory / "a", kPatience)), "replaced"));
}

TEST_CASE("a template is not given to whoever wants another one, though the name is the same") {
    Template made;
    auto client = made.Client();
    REQUIRE(client);
    CHECK(
        test::Contains(test::ErrorOf(client->Take("another key", made.directory / "a", kPatience)),
                       "another machine"));
}

TEST_CASE("a VM of the pool that cannot go where it is wanted is replaced by the files") {
    Template made("fake.agent", 1);
    REQUIRE(made.Take("a"));
    REQUIRE(made.WaitPool(1));
    auto client = made.Client();
    REQUIRE(client);
    const auto taken = client->Take(made.config.key, made.directory / "missing/deeper", kPatience);
    REQUIRE(taken);
    CHECK_FALSE(taken->pooled);
    CHECK(taken->memory);
    CHECK(made.WaitPool(1));
}

}  // namespace cc

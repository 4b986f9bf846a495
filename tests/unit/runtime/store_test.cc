// SPDX-License-Identifier: Apache-2.0
#include "runtime/state/store.h"

#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_full.h"
#include "runtime/state/report.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

ContainerRecord Record(const std::string& id) {
    ContainerRecord record;
    record.id = id;
    record.sandbox_id = id;
    record.status = Status::kRunning;
    record.oci_version = "1.0.2";
    record.bundle = "/b";
    record.rootfs = "/b/rootfs";
    record.created = "2026-11-21T23:32:54.123456789Z";
    record.annotations = {{"k", "v\n\"x\""}};
    record.terminal = true;
    record.shim = Identify(::getpid());
    record.cgroups = {"/sys/fs/cgroup/x"};
    record.cgroups_created = {"/sys/fs/cgroup/x"};
    record.token = "secret";
    return record;
}

SandboxRecord StoredSandbox(const std::string& id) {
    SandboxRecord record;
    record.id = id;
    record.vm_name = "vm";
    record.vm_directory = "/v";
    record.proxy_socket = "/p";
    record.proxy_executable = "/x";
    record.proxy_log_level = "debug";
    record.keeper = Identify(::getpid());
    record.vmm = Identify(::getpid());
    return record;
}

}  // namespace

TEST_CASE("hostile ids are refused, good ones are not") {
    for (const std::string& id :
         {std::string("a"), std::string("A-b_c+d.e"), std::string("...x"), std::string(254, 'x')})
        CHECK(CheckId(id));
    for (const std::string& id :
         {std::string(), std::string("."), std::string(".."), std::string("../x"),
          std::string("a/b"), std::string("a b"), std::string("\n"), std::string("a\0b", 3),
          std::string("ä"), std::string("a~"), std::string(255, 'x'), std::string(1025, 'x'),
          std::string(5000, 'x')}) {
        CAPTURE(id);
        CHECK_FALSE(CheckId(id));
    }
}

TEST_CASE("records come back as they were saved") {
    TempDirectory directory;
    const Store store = Store::Open(directory / "root").value();
    const auto lock = store.MakeContainer("web");
    const auto sandbox_lock = store.MakeSandbox("web");
    REQUIRE(lock);
    REQUIRE(sandbox_lock);
    REQUIRE(store.Save(Record("web")));
    REQUIRE(store.Save(StoredSandbox("web")));
    CHECK(Encode(store.LoadContainer("web").value()) == Encode(Record("web")));
    CHECK(Encode(store.LoadSandbox("web").value()) == Encode(StoredSandbox("web")));
    REQUIRE(store.SaveConfig("web", "{}"));
    CHECK(store.LoadConfig("web").value() == "{}");
    CHECK(store.Containers().value() == std::vector<std::string>{"web"});
    struct stat status {};
    REQUIRE(::stat((directory / "root/containers/web/container.json").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    REQUIRE(::stat((directory / "root/containers/web").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    CHECK(store.RemoveContainer("web"));
    CHECK(store.Containers().value().empty());
    CHECK(store.LoadContainer("web").error().code == ENOENT);
    CHECK(store.LoadContainer("web").error().message.find("container does not exist") !=
          std::string::npos);
}

TEST_CASE("an id in use is refused, and the same id below another root is another container") {
    TempDirectory directory;
    const Store one = Store::Open(directory / "one").value(),
                two = Store::Open(directory / "two").value();
    const auto first = one.MakeContainer("web");
    REQUIRE(first);
    const auto again = one.MakeContainer("web");
    REQUIRE_FALSE(again);
    CHECK(again.error().message.find("container with given ID already exists") !=
          std::string::npos);
    CHECK(two.MakeContainer("web"));
}

TEST_CASE("links and directories of others in the place of state are refused") {
    TempDirectory directory;
    REQUIRE(MakeDirectories(directory / "real", 0700));
    REQUIRE(::symlink((directory / "real").c_str(), (directory / "link").c_str()) == 0);
    CHECK_FALSE(Store::Open(directory / "link"));
    CHECK_FALSE(Store::Open("relative"));
    REQUIRE(MakeDirectories(directory / "open", 0700));
    REQUIRE(::chmod((directory / "open").c_str(), 0777) == 0);
    CHECK_FALSE(Store::Open(directory / "open"));
    REQUIRE(::symlink((directory / "real").c_str(), (directory / "real/containers").c_str()) == 0);
    CHECK_FALSE(Store::Open(directory / "real"));
}

TEST_CASE("who waits for the lock of a container that goes away learns that it does not exist") {
    TempDirectory directory;
    const Store store = Store::Open(directory / "root").value();
    auto lock = store.MakeContainer("web");
    REQUIRE(lock);
    Result<FileLock> waited = Fail("not yet");
    std::thread waiter([&] { waited = store.LockContainer("web"); });
    ::usleep(20000);
    REQUIRE(store.RemoveContainer("web"));
    lock = Fail("given back");
    waiter.join();
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code == ENOENT);
}

TEST_CASE("a container is what its processes are, not what was written") {
    TempDirectory directory;
    const Store store = Store::Open(directory / "root").value();
    const auto lock = store.MakeContainer("web");
    const auto sandbox_lock = store.MakeSandbox("web");
    ContainerRecord container = Record("web");
    SandboxRecord sandbox = StoredSandbox("web");
    REQUIRE(store.Save(sandbox));
    CHECK(CurrentStatus(container, store) == Status::kRunning);
    container.status = Status::kCreated;
    CHECK(CurrentStatus(container, store) == Status::kCreated);
    container.shim.start_time += 1;  // another process has the pid by now
    CHECK(CurrentStatus(container, store) == Status::kStopped);
    container = Record("web");
    for (ProcessId* process : {&sandbox.keeper, &sandbox.vmm}) {
        sandbox = StoredSandbox("web");
        process->start_time += 1;
        REQUIRE(store.Save(sandbox));
        CHECK(CurrentStatus(container, store) == Status::kStopped);
    }
    container.status = Status::kCreating;
    CHECK(CurrentStatus(container, store) == Status::kStopped);  // whoever made it is gone
    container.creator = Identify(::getpid());
    CHECK(CurrentStatus(container, store) == Status::kCreating);
}

TEST_CASE("broken records are errors that name the file") {
    TempDirectory directory;
    const Store store = Store::Open(directory / "root").value();
    const auto lock = store.MakeContainer("web");
    for (const char* text :
         {"", "{", "[]", "{\"id\":1}", "{\"id\":\"web\",\"status\":\"dancing\"}"}) {
        REQUIRE(WriteFileAtomic(directory / "root/containers/web/container.json", text, 0600));
        const auto loaded = store.LoadContainer("web");
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().message.find("container.json") != std::string::npos);
    }
}

TEST_CASE("state and list print what runc prints") {
    Observed observed{Record("web"), Status::kStopped};
    observed.container.annotations.clear();
    CHECK(StateText(observed) ==
          "{\n  \"ociVersion\": \"1.0.2\",\n  \"id\": \"web\",\n  \"pid\": 0,\n  \"status\": "
          "\"stopped\",\n"
          "  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/rootfs\",\n"
          "  \"created\": \"2026-11-21T23:32:54.123456789Z\",\n  \"owner\": \"root\"\n}");
    CHECK(ListJson({}) == "null");
    observed.status = Status::kRunning;
    CHECK(ListJson({observed}).find(Cat("\"pid\":", ::getpid(), ",\"status\":\"running\"")) !=
          std::string::npos);
    observed.status = Status::kStopped;
    CHECK(ListTable({}) == "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    CHECK(
        ListTable({observed}) ==
        "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n"
        "web         0           stopped     /b          2026-11-21T23:32:54.123456789Z   root\n");
}

TEST_CASE("list shows what VMs are made of, and what is old, in 3.0's words") {
    Observed observed{Record("web"), Status::kStopped};
    observed.assets = {{"/q"}, {"/k1"}, {"/i1"}};
    VmAssets latest{{"/q"}, {"/k2"}, {"/i1"}};
    const auto json = ParseJson(ListJson({observed}, &latest)).value()[0];
    CHECK(json["currentHypervisor"]["kernelAsset"] == Json{{"path", "/k1"}, {"bool", false}});
    CHECK(json["latestHypervisor"]["kernelAsset"]["path"] == "/k2");
    CHECK(json["latestHypervisor"]["hypervisorAsset"]["path"] == "/q");
    CHECK(json["StaleAssets"] == Json{"kernel"});
    const auto last_line = [&] {
        const auto lines = Split(ListTable({observed}, &latest), '\n');
        CHECK(lines[0].ends_with("LATEST-IMAGE   STALE"));
        return lines[1];
    };
    CHECK(last_line().ends_with(
        "/q           /k1         /i1         /k2             /i1            kernel"));
    observed.assets.kernel.chosen = true;
    CHECK(last_line().ends_with(" -"));
    latest.image.path = "/i2";
    CHECK(last_line().ends_with(" image"));
}

TEST_CASE("the guest has what runs or is paused, and what is created and held there") {
    ContainerRecord container = Record("c1");
    container.held = container.paused_before_start = true;
    const auto again = ParseContainerRecord(Encode(container));
    REQUIRE(again);
    CHECK(again->held);
    CHECK(again->paused_before_start);
    CHECK_FALSE(ParseContainerRecord(Encode(Record("c1")))->paused_before_start);
    for (const bool held : {false, true}) {
        container.held = held;
        CHECK(IsInGuest(Status::kRunning, container));
        CHECK(IsInGuest(Status::kPaused, container));
        CHECK(IsInGuest(Status::kCreated, container) == held);
        CHECK_FALSE(IsInGuest(Status::kStopped, container));
        CHECK_FALSE(IsInGuest(Status::kCreating, container));
    }
}

TEST_CASE("records of another boot name no processes and no cgroups") {
    ContainerRecord container = Record("c1");
    SandboxRecord sandbox = StoredSandbox("c1");
    sandbox.cgroups_created = {"/sys/fs/cgroup/y"};
    CHECK(ParseContainerRecord(Encode(container))->shim.pid == ::getpid());
    CHECK(ParseSandboxRecord(Encode(sandbox))->keeper.pid == ::getpid());
    const auto elsewhen = [](std::string text) {
        Json json = ParseJson(text).value();
        json["bootId"] = "00000000-0000-0000-0000-000000000000";
        return DumpJson(json);
    };
    const auto past = ParseContainerRecord(elsewhen(Encode(container)));
    REQUIRE(past);
    CHECK(past->shim.pid == 0);
    CHECK(past->cgroups_created.empty());
    CHECK(past->annotations == container.annotations);
    const auto past_sandbox = ParseSandboxRecord(elsewhen(Encode(sandbox)));
    REQUIRE(past_sandbox);
    CHECK(past_sandbox->keeper.pid == 0);
    CHECK(past_sandbox->vmm.pid == 0);
    CHECK(past_sandbox->cgroups_created.empty());
    CHECK(past_sandbox->vm_directory == "/v");
}

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Who is in which sandbox, and what that means for the message to the guest.
#include "runtime/sandbox/pod.h"

#include <algorithm>
#include <cstdio>

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/json_full.h"
#include "protocol/agent_messages.h"
#include "protocol/pod_sharing.h"
#include "runtime/oci/default_spec.h"
#include "runtime/oci/guest_message.h"
#include "runtime/oci/without_effect.h"
#include "runtime/sandbox/creation.h"
#include "runtime/sandbox/removal.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

using Kind = PodRole::Kind;

Result<PodRole> RoleOf(const std::map<std::string, std::string>& annotations) {
    OciSpec spec;
    spec.annotations = annotations;
    return PodRoleOf(spec, "me");
}

// A store with a sandbox "pod" whose processes are this one.
struct Pods {
    TempDirectory directory;
    Store store = Store::Open(directory / "root").value();

    Pods() {
        MakeContainer("pod");
        REQUIRE(store.MakeSandbox("pod"));
        SaveSandbox(Identify(::getpid()));
    }
    ContainerRecord MakeContainer(const std::string& id) const {
        REQUIRE(store.MakeContainer(id));
        ContainerRecord record;
        record.id = id;
        record.sandbox_id = "pod";
        record.status = Status::kRunning;
        record.shim = Identify(::getpid());
        REQUIRE(store.Save(record));
        return record;
    }
    void SaveSandbox(const ProcessId& vm) const {
        SandboxRecord sandbox;
        sandbox.id = "pod";
        sandbox.vm_name = "vm";
        sandbox.vm_directory = directory / "vm";
        sandbox.proxy_socket = directory / "proxy.sock";
        sandbox.keeper = sandbox.vmm = vm;
        sandbox.pod = true;
        REQUIRE(store.Save(sandbox));
    }
};

OciSpec SpecWith(const Json& namespaces) {
    Json json = Json::parse(DefaultSpec());
    json["linux"]["namespaces"] = namespaces;
    return ParseSpec(json.dump()).value();
}

}  // namespace

TEST_CASE("a container of Podman's pod without infra container is one alone") {
    const Pods pods;
    OciSpec spec;
    spec.annotations = {{"io.container.manager", "libpod"},
                        {"io.kubernetes.cri-o.ContainerType", "container"},
                        {"io.kubernetes.cri-o.SandboxID", "nobody"}};
    const auto alone = [&] {
        return IsOfPodWithoutSandbox(spec, PodRoleOf(spec, "me").value(), pods.store);
    };
    CHECK(alone());
    spec.namespaces = {{"ipc", "/proc/77/ns/ipc"}};
    CHECK_FALSE(alone());
    spec.namespaces = {{"ipc", ""}, {"network", "/run/netns/x"}};
    CHECK(alone());
    spec.annotations["io.kubernetes.cri-o.SandboxID"] = "pod";
    CHECK_FALSE(alone());
    spec.annotations["io.kubernetes.cri-o.SandboxID"] = "nobody";
    spec.annotations["io.container.manager"] = "cri-o";
    CHECK_FALSE(alone());
}

TEST_CASE("the part of a container in its pod is read from the annotations of each engine") {
    CHECK(RoleOf({})->kind == Kind::kAlone);
    CHECK(RoleOf({{"io.kubernetes.cri.sandbox-id", "x"}})->kind == Kind::kAlone);
    for (const auto& [type, id] :
         {std::pair("io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id"),
          std::pair("io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID"),
          std::pair("io.kubernetes.docker.type", "io.kubernetes.sandbox.id")}) {
        CAPTURE(std::string(type));
        CHECK(RoleOf({{type, "sandbox"}, {id, "me"}})->kind == Kind::kSandbox);
        CHECK(RoleOf({{type, "podsandbox"}})->kind == Kind::kSandbox);
        const auto member = RoleOf({{type, "container"}, {id, "pod"}});
        REQUIRE(member);
        CHECK(member->joins());
        CHECK(member->sandbox_id == "pod");
        // Whose sandbox it is itself has one of its own.
        CHECK(RoleOf({{type, "container"}, {id, "me"}})->kind == Kind::kSandbox);
        CHECK(RoleOf({{type, "container"}}).error().message.find("names the sandbox") !=
              std::string::npos);
        CHECK_FALSE(RoleOf({{type, "container"}, {id, "../x"}}));
        CHECK_FALSE(RoleOf({{type, "lunchbox"}}));
    }
}

TEST_CASE("a sandbox is joined only while its VM and its own container live") {
    const Pods pods;
    REQUIRE(LoadJoinable(pods.store, "pod"));
    CHECK(LoadJoinable(pods.store, "none").error().message == "sandbox \"none\" does not exist");
    ContainerRecord own = pods.store.LoadContainer("pod").value();
    own.shim.start_time += 1;
    REQUIRE(pods.store.Save(own));
    CHECK(LoadJoinable(pods.store, "pod").error().message.find("own container has ended") !=
          std::string::npos);
    pods.SaveSandbox({::getpid(), 1});
    CHECK(LoadJoinable(pods.store, "pod").error().message.find("virtual machine has ended") !=
          std::string::npos);
    REQUIRE(pods.store.RemoveContainer("pod"));
    pods.SaveSandbox(Identify(::getpid()));
    CHECK(LoadJoinable(pods.store, "pod").error().message.find("not known") != std::string::npos);
}

TEST_CASE("the containers of a sandbox are found, and nobody else's") {
    const Pods pods;
    pods.MakeContainer("a");
    ContainerRecord other = pods.MakeContainer("b");
    other.sandbox_id = "elsewhere";
    REQUIRE(pods.store.Save(other));
    REQUIRE(pods.store.MakeContainer("being-made"));
    const auto found = pods.store.ContainersIn("pod", "pod").value();
    REQUIRE(found.size() == 1);
    CHECK(found[0].id == "a");
    CHECK(pods.store.ContainersIn("pod", "").value().size() == 2);
}

TEST_CASE("the limits of those that live in a sandbox count, with new ones for one of them") {
    const Pods pods;
    const auto limited = [](int64_t memory) {
        return Cat(
            R"({"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"/","args":["x"]},)",
            R"("linux":{"resources":{"memory":{"limit":)", memory, "}}}}");
    };
    const auto together = [&](const std::string& id, int64_t memory) {
        const Json resources = {{"memory", {{"limit", memory}}}};
        return LimitsInSandbox(pods.store, "pod", id, resources).value();
    };
    REQUIRE(pods.store.SaveConfig("pod", limited(-1)));
    pods.MakeContainer("a");
    REQUIRE(pods.store.SaveConfig("a", limited(1000)));
    CHECK(together("b", 10).memory == 1010);
    // The sandbox's own holds it together and takes nothing.
    CHECK_FALSE(together("b", 10).open_memory);
    CHECK(together("b", 0).open_memory);
    CHECK(together("a", 10).memory == 10);
    CHECK(together("pod", 10).memory == 1010);
    // With a limit it is one like the others.
    REQUIRE(pods.store.SaveConfig("pod", limited(500)));
    CHECK(together("b", 10).memory == 1510);
    REQUIRE(pods.store.SaveConfig("pod", limited(-1)));
    // One that is being made has a record already, one that has ended has nothing any more.
    pods.MakeContainer("b");
    CHECK(together("b", 10).memory == 1010);
    ContainerRecord ended = pods.store.LoadContainer("a").value();
    ended.shim.start_time += 1;
    REQUIRE(pods.store.Save(ended));
    CHECK(together("b", 10).memory == 10);
    ContainerRecord own = pods.store.LoadContainer("pod").value();
    own.annotations["io.kubernetes.cri.sandbox-memory"] = "500";
    REQUIRE(pods.store.Save(own));
    CHECK(together("b", 10).memory == 500);
    CHECK_FALSE(together("b", 10).open_memory);
    CHECK(together("b", 501).memory == 501);
}

TEST_CASE("paths of namespaces become names of containers, or nothing, in the guest") {
    const Pods pods;
    ContainerRecord target = pods.MakeContainer("target");
    target.shim.pid = 1;
    REQUIRE(pods.store.Save(target));
    const OciSpec spec = SpecWith({{{"type", "pid"}, {"path", "/proc/1/ns/pid"}},
                                   {{"type", "ipc"}, {"path", "/run/ipcns/x"}},
                                   {{"type", "uts"}},
                                   {{"type", "network"}, {"path", "/run/netns/x"}},
                                   {{"type", "mount"}}});
    const auto owners = OwnersOfNamespaces(spec, pods.store, "pod");
    REQUIRE(owners);
    CHECK(*owners == NamespaceOwners{{"pid", "target"}, {"ipc", "pod"}});
    CHECK(WithoutEffect(*spec.document, *owners).empty());
    CHECK(WithoutEffect(*spec.document).size() == 2);
    const auto sent =
        ParseNewContainer(NewContainerMessage(spec, "c", {}, *owners).value()).value();
    const Json oci = Json::parse(sent.oci);
    CHECK(oci["linux"]["namespaces"] == Json({{{"type", "pid"}, {"path", "container:target"}},
                                              {{"type", "ipc"}, {"path", "container:pod"}},
                                              {{"type", "uts"}},
                                              {{"type", "network"}},
                                              {{"type", "mount"}}}));
}

TEST_CASE("shared memory that an engine made on the host becomes the guest's own") {
    TempDirectory directory;
    const std::string shm = directory / "shm";
    REQUIRE(MakeDirectories(shm, 0700));
    REQUIRE(MakeDirectories(directory / "rootfs", 0700));
    Bundle bundle;
    bundle.directory = directory.path();
    bundle.rootfs = directory / "rootfs";
    const auto plan = [&](const std::string& source) {
        Json json = Json::parse(DefaultSpec());
        json["mounts"] = {{{"destination", "/dev/shm"},
                           {"type", "bind"},
                           {"source", source},
                           {"options", {"rbind", "ro"}}}};
        bundle.spec = ParseSpec(json.dump()).value();
        const SharePlan planned = PlanShare(bundle, "c").value();
        const auto sent =
            ParseNewContainer(NewContainerMessage(bundle.spec, "c", planned).value()).value();
        return Json::parse(sent.oci)["mounts"][0];
    };
    // The host's own, and a directory on a disk, are files that the container is given.
    CHECK(plan("/dev/shm")["type"] == "bind");
    CHECK(plan(directory / "rootfs")["type"] == "bind");
    if (::mount("shm", shm.c_str(), "tmpfs", 0, "size=64k,mode=1777") < 0) {
        std::printf("SKIPPED: mounting a tmpfs needs root\n");
        return;
    }
    const Json mount = plan(shm);
    CHECK(::umount(shm.c_str()) == 0);
    CHECK(mount["type"] == kPodShm);
    CHECK(mount["source"] == shm);
    CHECK(mount["options"] == Json({"size=65536", "mode=1777", "ro"}));
}

TEST_CASE("a joining creation makes no VM, and its steps are named as the others") {
    const auto all = Creation::StepNames();
    const auto join = Creation::JoinStepNames();
    for (const auto name : join)
        CHECK((name == "growth" || std::find(all.begin(), all.end(), name) != all.end()));
    for (const auto* name : {"vm", "boot", "limits", "pod"})
        CHECK(std::find(join.begin(), join.end(), name) == join.end());
}

TEST_CASE("the last container to go takes the rest of its sandbox along") {
    const Pods pods;
    pods.SaveSandbox({});  // the VM has ended
    ContainerRecord own = pods.store.LoadContainer("pod").value();
    own.shim = {};
    own.status = Status::kStopped;
    REQUIRE(pods.store.Save(own));
    ContainerRecord member = own;
    member.id = "a";
    // A directory of cgroups that both used, here of the file system.
    const std::string parent = pods.directory / "parent";
    member.cgroups_created = {parent};
    REQUIRE(MakeDirectories(parent + "/other", 0700));
    REQUIRE(pods.store.MakeContainer("a"));
    REQUIRE(pods.store.Save(member));
    ContainerRecord second = member;
    second.id = "b";
    second.cgroups_created = {parent + "/other"};
    REQUIRE(pods.store.MakeContainer("b"));
    REQUIRE(pods.store.Save(second));

    REQUIRE(RemoveContainer(pods.store, own));
    CHECK(pods.store.LoadContainer("pod").error().code == ENOENT);
    CHECK(pods.store.LoadSandbox("pod"));
    REQUIRE(RemoveContainer(pods.store, member));
    CHECK(pods.store.LoadSandbox("pod")->cgroups_created == std::vector<std::string>{parent});
    REQUIRE(RemoveContainer(pods.store, second));
    CHECK(pods.store.LoadSandbox("pod").error().code == ENOENT);
    CHECK_FALSE(Exists(parent));
}

TEST_CASE("a sandbox with containers that have not stopped is deleted by force only") {
    const Pods pods;
    pods.MakeContainer("a");
    ContainerRecord own = pods.store.LoadContainer("pod").value();
    own.shim = {};
    const auto removed = RemoveContainer(pods.store, own);
    REQUIRE_FALSE(removed);
    CHECK(removed.error().message.find("not stopped: a") != std::string::npos);
    CHECK(pods.store.LoadContainer("pod"));
}

TEST_CASE("one sandbox is locked by one command at a time, and by none when it is gone") {
    const Pods pods;
    CHECK(pods.store.LockSandbox("pod"));
    CHECK(pods.store.LockSandbox("none").error().code == ENOENT);
}

}  // namespace cc::runtime

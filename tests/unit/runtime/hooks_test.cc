// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/hooks.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/json_full.h"
#include "base/mount_namespace.h"
#include "protocol/oci_hooks.h"
#include "runtime/oci/guest_message.h"
#include "runtime/oci/spec.h"
#include "runtime/storage/detached_mount.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

ContainerRecord HookedContainer(const std::string& bundle) {
    ContainerRecord container;
    container.id = "c1";
    container.oci_version = "1.0.2";
    container.bundle = bundle;
    container.annotations = {{"key", "value"}};
    container.shim.pid = ::getpid();
    return container;
}

Json WithHooks(const std::string& stage, Json hooks) {
    return {{"ociVersion", "1.0.2"}, {"hooks", {{stage, std::move(hooks)}}}};
}

Json Shell(const std::string& script) {
    return {{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}};
}

}  // namespace

TEST_CASE("hooks get the container's state on standard input, and run in their order") {
    TempDirectory bundle;
    const Json document =
        WithHooks("prestart", {Shell("cat >state; echo 1 >>order"), Shell("echo 2 >>order")});
    REQUIRE(RunHooks(document, "prestart", HookedContainer(bundle.path()), Status::kCreating));
    CHECK(Json::parse(ReadFile(bundle / "state", 10000).value()) ==
          Json({{"ociVersion", "1.0.2"},
                {"id", "c1"},
                {"status", "creating"},
                {"pid", ::getpid()},
                {"bundle", bundle.path()},
                {"annotations", {{"key", "value"}}}}));
    CHECK(ReadFile(bundle / "order", 100).value() == "1\n2\n");
    REQUIRE(RunHooks(document, "poststart", HookedContainer(bundle.path()), Status::kRunning));
}

TEST_CASE("what hooks mount in a mount namespace of their own is there, and nowhere else") {
    if (::geteuid() != 0) return;
    TempDirectory bundle;
    REQUIRE(MakeDirectories(bundle / "place", 0755));
    const Fd mounts = MakeMountNamespace().value();
    const Json document = WithHooks(
        "createRuntime", {Shell("pwd >pwd; mount -t tmpfs none place && echo hi >place/file"),
                          Shell("cat place/file >seen")});
    const auto ran = RunHooks(document, "createRuntime", HookedContainer(bundle.path()),
                              Status::kCreating, mounts.get());
    REQUIRE_MESSAGE(ran, ran.error().message);
    CHECK(ReadFile(bundle / "pwd", 1000).value() == bundle.path() + "\n");
    CHECK(ReadFile(bundle / "seen", 100).value() == "hi\n");
    CHECK_FALSE(Exists(bundle / "place/file"));
    Fd tree;
    REQUIRE(RunInMountNamespace(mounts.get(), [&]() -> Result<void> {
        CHECK(Exists(bundle / "place/file"));
        ShareItem item;
        item.source = bundle.path();
        CC_ASSIGN(tree, CloneMount(item));
        return {};
    }));
    CHECK(Exists(Cat("/proc/self/fd/", tree.get(), "/place/file")));
    CHECK_FALSE(Exists(bundle / "place/file"));
}

TEST_CASE("a stopped container has no pid, and its bundle may be gone") {
    TempDirectory place;
    const Json document =
        WithHooks("poststop", {Shell(Cat("cat >", place / "state", "; pwd >", place / "cwd"))});
    REQUIRE(RunHooks(document, "poststop", HookedContainer("/no/such/bundle"), Status::kStopped));
    const Json state = Json::parse(ReadFile(place / "state", 10000).value());
    CHECK(state["status"] == "stopped");
    CHECK_FALSE(state.contains("pid"));
    CHECK(ReadFile(place / "cwd", 100).value() == "/\n");
}

TEST_CASE("argv and environment of a hook are what the configuration says, and nothing else") {
    TempDirectory bundle;
    Json hook = {{"path", "/bin/sh"},
                 {"args",
                  {"name", "-c",
                   "tr '\\0' '\\n' </proc/$$/cmdline >argv; "
                   "tr '\\0' '\\n' </proc/$$/environ >env"}},
                 {"env", {"A=b c", "PATH=/usr/bin:/bin"}}};
    REQUIRE(RunHooks(WithHooks("createRuntime", {hook}), "createRuntime",
                     HookedContainer(bundle.path()), Status::kCreating));
    CHECK(ReadFile(bundle / "argv", 10000).value().starts_with("name\n-c\n"));
    CHECK(ReadFile(bundle / "env", 10000).value() == "A=b c\nPATH=/usr/bin:/bin\n");
}

TEST_CASE("the first hook that fails is the error, and the next does not run") {
    TempDirectory bundle;
    const Json document =
        WithHooks("createRuntime", {Shell("echo no network >&2; exit 7"), Shell("touch ran")});
    const auto failed =
        RunHooks(document, "createRuntime", HookedContainer(bundle.path()), Status::kCreating);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message ==
          "hook createRuntime[0], /bin/sh: ended with status 7, saying \"no network\"");
    CHECK_FALSE(Exists(bundle / "ran"));
    RunHooksAnyway(document, "createRuntime", HookedContainer(bundle.path()), Status::kCreating);
    CHECK(Exists(bundle / "ran"));
}

TEST_CASE("a hook that takes longer than its timeout is killed") {
    TempDirectory bundle;
    Json hook = Shell("sleep 1000");
    hook["timeout"] = 1;
    const auto late = RunHooks(WithHooks("prestart", {hook}), "prestart",
                               HookedContainer(bundle.path()), Status::kCreating);
    REQUIRE_FALSE(late);
    CHECK(late.error().message.find("did not end within 1000 ms") != std::string::npos);
}

TEST_CASE("hooks without an absolute path, or with a timeout of nothing, are refused at create") {
    for (const Json& bad :
         {Json{{"path", "relative"}}, Json{{"args", {"x"}}}, Json{{"path", 7}}, Json("text"),
          Json{{"path", "/x"}, {"timeout", 0}}, Json{{"path", "/x"}, {"timeout", -1}},
          Json{{"path", "/x"}, {"args", "x"}}, Json{{"path", "/x"}, {"env", {1}}}})
        for (const auto stage : kHookStages) {
            CAPTURE(DumpJson(bad));
            Json hooks = Json::array();
            hooks.push_back(bad);
            const auto spec = ParseSpec(DumpJson(WithHooks(std::string(stage), hooks)));
            REQUIRE_FALSE(spec);
            CHECK(spec.error().message.find(Cat("hooks.", stage, "[0]")) != std::string::npos);
        }
}

TEST_CASE("the guest is told of its own hooks only, with the state for them") {
    Json json = WithHooks("startContainer", {Shell("true")});
    json["hooks"]["prestart"] = {{{"path", "/bin/true"}, {"env", {"SECRET=1"}}}};
    json["hooks"]["startContainer"][0]["timeout"] = 4;
    json["process"] = {{"args", {"x"}}, {"cwd", "/"}};
    OciSpec spec = ParseSpec(DumpJson(json)).value();
    CHECK(StartHooksPatience(spec) == std::chrono::seconds(4));
    const auto sent =
        ParseNewContainer(NewContainerMessage(spec, "c1", {}, {}, {"{}"}).value()).value();
    const Json oci = Json::parse(sent.oci);
    CHECK(oci["hooks"] == Json({{"startContainer", json["hooks"]["startContainer"]}}));
    CHECK(oci["state"] == "{}");
    json["hooks"].erase("startContainer");
    spec = ParseSpec(DumpJson(json)).value();
    const auto without =
        ParseNewContainer(NewContainerMessage(spec, "c1", {}, {}, {"{}"}).value()).value();
    CHECK_FALSE(Json::parse(without.oci).contains("hooks"));
    CHECK_FALSE(Json::parse(without.oci).contains("state"));
}

TEST_CASE("the guest is made beside Docker's hook, and waits for all others") {
    const auto beside = [](const Json& json) { return CanRunBeside(json).value(); };
    Json docker = {{"path", "/proc/77/exe"}, {"args", {"libnetwork-setkey", "-exec-root=/x", "c"}}};
    const Json other = Shell("true");
    CHECK(beside(WithHooks("prestart", {docker})));
    CHECK(beside(WithHooks("createRuntime", {docker})));
    CHECK_FALSE(beside(WithHooks("createContainer", {docker})));
    CHECK_FALSE(beside(WithHooks("startContainer", {docker})));
    CHECK_FALSE(beside({{"ociVersion", "1.0.2"}}));
    Json two = WithHooks("prestart", {docker});
    two["hooks"]["prestart"].push_back(other);
    CHECK_FALSE(beside(two));
    two = WithHooks("prestart", {docker});
    two["hooks"]["createContainer"].push_back(other);
    CHECK_FALSE(beside(two));
    two["hooks"].erase("createContainer");
    two["hooks"]["poststop"].push_back(other);  // not before the start
    CHECK(beside(two));
    two["linux"]["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
    CHECK(beside(two));
    for (const char* key : {"net.ipv4.conf.eth0.forwarding", "net/ipv6/conf/all/disable_ipv6",
                            "net.ipv4.neigh.default.gc_stale_time"}) {
        two["linux"]["sysctl"] = {{key, "0"}};
        CHECK_FALSE(beside(two));
    }
}

}  // namespace cc::runtime

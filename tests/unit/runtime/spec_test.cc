// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/spec.h"

#include <map>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "base/json_full.h"
#include "protocol/agent_frame.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/caller_limits.h"
#include "runtime/oci/capabilities.h"
#include "runtime/oci/default_spec.h"
#include "runtime/oci/exec_process.h"
#include "runtime/oci/guest_message.h"
#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

using test::TempDirectory;

namespace {

Json Good() {
    return ParseJson(DefaultSpec()).value();
}

Result<void> Load(const std::string& text) {
    CC_ASSIGN(const OciSpec spec, ParseSpec(text));
    return CheckSpec(spec);
}

std::string Changed(const std::function<void(Json&)>& change) {
    Json json = Good();
    change(json);
    return DumpJson(json);
}

}  // namespace

TEST_CASE("the configuration that spec writes is a good one") {
    const auto spec = ParseSpec(DefaultSpec());
    REQUIRE(spec);
    CHECK(CheckSpec(*spec));
    CHECK(spec->process->args == std::vector<std::string>{"sh"});
    const Json json = ParseJson(DefaultSpec()).value();
    CHECK(json["linux"]["maskedPaths"].size() == 10);
    CHECK(json["linux"]["resources"]["devices"][0]["allow"] == false);
    CHECK(json["mounts"].back()["destination"] == "/sys/fs/cgroup");
    CHECK_FALSE(ParseJson(RootlessSpec(7, 7)).value()["linux"].contains("resources"));
    CHECK(spec->process->terminal);
    CHECK(spec->process->capabilities.bounding.size() == 3);
    CHECK(spec->mounts.size() == 7);
    CHECK(spec->Namespace("network") != nullptr);
    CHECK(spec->Namespace("user") == nullptr);
}

TEST_CASE("a configuration with a wrong type or without what is needed is refused by name") {
    const std::pair<std::function<void(Json&)>, const char*> bad[] = {
        {[](Json& j) { j.erase("ociVersion"); }, "ociVersion"},
        {[](Json& j) { j["ociVersion"] = 1; }, "ociVersion"},
        {[](Json& j) { j["ociVersion"] = "2.0.0"; }, "2.0.0"},
        {[](Json& j) { j.erase("process"); }, "process is missing"},
        {[](Json& j) { j["process"] = "sh"; }, "process"},
        {[](Json& j) { j["process"].erase("args"); }, "process.args"},
        {[](Json& j) { j["process"]["args"] = Json::array(); }, "process.args"},
        {[](Json& j) { j["process"]["args"] = Json::array({""}); }, "process.args"},
        {[](Json& j) { j["process"]["args"] = "sh"; }, "args"},
        {[](Json& j) { j["process"]["args"] = Json::array({1}); }, "args"},
        {[](Json& j) { j["process"]["args"] = Json::array({std::string("a\0b", 3)}); }, "NUL"},
        {[](Json& j) { j["process"]["cwd"] = "tmp"; }, "absolute"},
        {[](Json& j) { j["process"].erase("cwd"); }, "process.cwd"},
        {[](Json& j) { j["process"]["terminal"] = "yes"; }, "terminal"},
        {[](Json& j) { j["process"]["user"]["uid"] = -1; }, "uid"},
        {[](Json& j) { j["process"]["user"]["uid"] = 4294967296; }, "uid"},
        {[](Json& j) { j["process"]["user"]["gid"] = 1.5; }, "gid"},
        {[](Json& j) { j["process"]["user"]["additionalGids"] = Json::array({"x"}); },
         "additionalGids"},
        {[](Json& j) { j["process"]["capabilities"] = Json::array(); }, "capabilities"},
        {[](Json& j) {
             j["process"]["consoleSize"] = {{"height", 70000}, {"width", 1}};
         },
         "height"},
        {[](Json& j) { j.erase("root"); }, "root.path"},
        {[](Json& j) { j["root"]["path"] = 3; }, "root"},
        {[](Json& j) { j["mounts"] = Json::object(); }, "mounts"},
        {[](Json& j) { j["mounts"][1] = 5; }, "mounts[1]"},
        {[](Json& j) { j["mounts"][2].erase("destination"); }, "mounts[2]"},
        {[](Json& j) { j["mounts"][0]["options"] = "ro"; }, "mounts[0]"},
        {[](Json& j) { j["linux"] = 1; }, "linux"},
        {[](Json& j) { j["linux"]["cgroupsPath"] = 1; }, "cgroupsPath"},
        {[](Json& j) {
             j["linux"]["namespaces"].push_back({{"type", "network"}});
         },
         "second namespace"},
        {[](Json& j) {
             j["annotations"] = {{"a", 1}};
         },
         "annotation"},
    };
    for (const auto& [change, part] : bad) {
        CAPTURE(part);
        const auto loaded = Load(Changed(change));
        REQUIRE_FALSE(loaded);
        CHECK_MESSAGE(loaded.error().message.find(part) != std::string::npos,
                      loaded.error().message);
    }
}

TEST_CASE("text that is no document, too deep or too large is refused") {
    CHECK_FALSE(Load(""));
    CHECK_FALSE(Load("[]"));
    CHECK_FALSE(Load("null"));
    CHECK_FALSE(Load("{\"ociVersion\":\"1.0.0\",\"ociVersion\":\"1.0.0\"}"));
    CHECK_FALSE(Load(std::string(100000, '[')));
    CHECK_FALSE(Load(Changed([](Json& j) {
        j["annotations"] = {{"a", std::string(kMaxSpecBytes, 'x')}};
    })));
}

TEST_CASE("a bundle's errors name the file, and its root may be relative") {
    TempDirectory directory;
    CHECK(LoadBundle("/no/such/bundle").error().message.find("/no/such/bundle") !=
          std::string::npos);
    const auto missing = LoadBundle(directory.path());
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("config.json") != std::string::npos);
    REQUIRE(WriteFileAtomic(directory / "config.json", DefaultSpec(), 0600));
    CHECK(LoadBundle(directory.path()).error().message.find("rootfs") != std::string::npos);
    REQUIRE(WriteFileAtomic(directory / "rootfs", "", 0600));
    CHECK(LoadBundle(directory.path()).error().message.find("not a directory") !=
          std::string::npos);
    REQUIRE(RemoveTree(directory / "rootfs"));
    REQUIRE(MakeDirectories(directory / "rootfs", 0700));
    const auto bundle = LoadBundle(directory.path());
    REQUIRE(bundle);
    CHECK(bundle->rootfs == RealPath(directory / "rootfs").value());
    REQUIRE(RemoveTree(directory / "config.json"));
    REQUIRE(MakeDirectories(directory / "config.json", 0700));
    CHECK(LoadBundle(directory.path()).error().message.find("regular file") != std::string::npos);
}

TEST_CASE("bind mounts are planned below the share, and the guest's document names them there") {
    TempDirectory directory;
    REQUIRE(MakeDirectories(directory / "rootfs", 0700));
    REQUIRE(MakeDirectories(directory / "data", 0700));
    REQUIRE(WriteFileAtomic(directory / "hosts", "", 0600));
    REQUIRE(WriteFileAtomic(directory / "config.json", Changed([&](Json& j) {
                                j["mounts"].push_back({{"destination", "/data"},
                                                       {"type", "none"},
                                                       {"source", "data"},
                                                       {"options", {"rbind", "ro"}}});
                                j["mounts"].push_back({{"destination", "/etc/hosts"},
                                                       {"type", "bind"},
                                                       {"source", directory / "hosts"},
                                                       {"options", {"bind"}}});
                            }),
                            0600));
    const Bundle bundle = LoadBundle(directory.path()).value();
    const auto plan = PlanShare(bundle, "web");
    REQUIRE(plan);
    REQUIRE(plan->items.size() == 3);
    CHECK(plan->items[0].name == "web/rootfs");
    CHECK(plan->items[0].source == bundle.rootfs);
    CHECK_FALSE(plan->items[0].read_only);
    CHECK(plan->items[1].name == "web/mounts/7/data");
    CHECK(plan->items[1].source == bundle.directory + "/data");
    CHECK(plan->items[1].read_only);
    CHECK(plan->items[1].recursive);
    CHECK(plan->items[2].name == "web/mounts/8/hosts");
    CHECK_FALSE(plan->items[2].recursive);

    const auto text = NewContainerMessage(bundle.spec, "web", *plan);
    REQUIRE(text);
    const auto message = ParseNewContainer(*text);
    REQUIRE(message);
    CHECK(message->id == "web");
    CHECK(message->image == "web");
    CHECK(message->rootfs == "rootfs");
    REQUIRE(message->mounts.size() == 2);
    CHECK(message->mounts[0].source == "web/mounts/7/data");
    CHECK(message->mounts[0].path == "/data");
    CHECK(message->mounts[0].read_only);
    CHECK(message->process.user == "0");
    CHECK(message->process.args == std::vector<std::string>{"sh"});
    CHECK(message->process.stdio == 0);
    const Json oci = ParseJson(message->oci).value();
    CHECK(oci["mounts"][7]["source"] == Cat(kGuestShareDirectory, "/web/mounts/7/data"));
    CHECK(oci["mounts"][0]["source"] == "proc");
    // All else is as the engine wrote it.
    Json back = oci;
    back["mounts"][7]["source"] = "data";
    back["mounts"][8]["source"] = directory / "hosts";
    back["process"]["rlimits"] = (*bundle.spec.document)["process"]["rlimits"];
    CHECK(back == *bundle.spec.document);
}

TEST_CASE("limits that the configuration leaves out are the caller's, those it names stay") {
    Json process = {{"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"soft", 7}, {"hard", 8}}}}};
    AddCallerLimits(process);
    std::map<std::string, Json> limits;
    for (const auto& limit : process["rlimits"])
        CHECK(limits.emplace(limit["type"], limit).second);
    CHECK(limits.size() == 16);
    CHECK(limits.at("RLIMIT_NOFILE")["soft"] == 7);
    rlimit stack{};
    REQUIRE(::getrlimit(RLIMIT_STACK, &stack) == 0);
    CHECK(limits.at("RLIMIT_STACK")["soft"] == stack.rlim_cur);
    CHECK(limits.at("RLIMIT_STACK")["hard"] == stack.rlim_max);

    process = Json::object();
    AddCallerLimits(process);
    CHECK(process["rlimits"].size() == 16);
    for (const auto& limit : process["rlimits"])
        if (limit["type"] == "RLIMIT_NOFILE") CHECK(limit["hard"] <= 1024 * 1024);
    process = {{"rlimits", true}};
    AddCallerLimits(process);
    CHECK(process["rlimits"] == true);
}

TEST_CASE("a bind mount without a source that exists is refused by name") {
    TempDirectory directory;
    REQUIRE(MakeDirectories(directory / "rootfs", 0700));
    Bundle bundle;
    bundle.directory = directory.path();
    bundle.rootfs = directory / "rootfs";
    const auto plan = [&](const std::string& source) -> Result<void> {
        bundle.spec.mounts = {{"/x", "bind", source, {}}};
        CC_ASSIGN(const SharePlan planned, PlanShare(bundle, "web"));
        return CheckSources(planned);
    };
    CHECK(plan("/"));
    CHECK(plan("rootfs"));
    for (const std::string& source : {std::string(""), std::string("/no/such/source")}) {
        const auto planned = plan(source);
        REQUIRE_FALSE(planned);
        CHECK(planned.error().message.find("/x") != std::string::npos);
        CHECK(planned.error().message.find(source) != std::string::npos);
    }
}

TEST_CASE("the guest is sent a filter in place of its rules, an older one the rules") {
    const auto with = [](const Json& seccomp) {
        return ParseSpec(Changed([&](Json& j) { j["linux"]["seccomp"] = seccomp; })).value();
    };
    const OciSpec spec =
        with({{"defaultAction", "SCMP_ACT_ALLOW"},
              {"architectures", {"SCMP_ARCH_X86_64"}},
              {"syscalls", {{{"names", {"mkdir"}}, {"action", "SCMP_ACT_ERRNO"}}}}});
    const auto filter = MakeSeccompFilter(spec);
    REQUIRE_MESSAGE(filter, filter.error().message);
    REQUIRE(*filter);
    GuestDetails details;
    details.seccomp = *filter;
    const auto sent =
        ParseNewContainer(NewContainerMessage(spec, "web", {}, {}, details).value()).value();
    REQUIRE(sent.seccomp);
    CHECK(sent.seccomp->program.size() == (*filter)->program.size());
    CHECK_FALSE(ParseJson(sent.oci).value()["linux"].contains("seccomp"));
    const auto older = ParseNewContainer(NewContainerMessage(spec, "web", {}).value()).value();
    CHECK_FALSE(older.seccomp);
    CHECK(ParseJson(older.oci).value()["linux"]["seccomp"] == (*spec.document)["linux"]["seccomp"]);

    const auto none = MakeSeccompFilter(with(nullptr));
    REQUIRE(none);
    CHECK_FALSE(*none);
    const auto wrong = MakeSeccompFilter(with({{"defaultAction", "SCMP_ACT_NOTIFY"}}));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("linux.seccomp.defaultAction") != std::string::npos);
}

TEST_CASE("a configuration too large for one message to the agent is refused in words") {
    const auto spec = ParseSpec(Changed([](Json& j) {
        j["process"]["env"].push_back("X=" + std::string(kMaxControlMessage / 2, 'x'));
    }));
    REQUIRE(spec);
    const auto message = NewContainerMessage(*spec, "web", {});
    REQUIRE_FALSE(message);
    CHECK(message.error().message.find("at most") != std::string::npos);
}

TEST_CASE("exec takes the container's process as its pattern") {
    const auto spec = ParseSpec(DefaultSpec()).value();
    ExecRequest request;
    request.command = {"ls", "-l"};
    request.env = {"A=b=c", "E="};
    request.cwd = "/tmp";
    request.user = "1000:50";
    request.additional_gids = {"7"};
    request.capabilities = {"CAP_CHOWN", "CAP_KILL"};
    const auto exec = MakeExecProcess(spec, request);
    REQUIRE(exec);
    CHECK(exec->process.args == request.command);
    CHECK_FALSE(exec->process.terminal);
    CHECK(exec->process.uid == 1000);
    CHECK(exec->process.gid == 50);
    CHECK(exec->process.additional_gids == std::vector<int64_t>{7});
    CHECK(exec->process.cwd == "/tmp");
    CHECK(exec->process.env.size() == 4);
    CHECK(exec->process.env[2] == "A=b=c");
    CHECK(exec->process.capabilities.effective.size() == 4);
    const auto message =
        ParseExecCommand(ExecMessage(exec->process, exec->json, "web").value()).value();
    CHECK(message.container == "web");
    CHECK(message.process.envs[2].second == "b=c");
    CHECK(ParseJson(message.oci).value()["args"][1] == "-l");

    const auto sized = WithConsoleSize(*exec, 24, 80);
    REQUIRE(sized);
    CHECK(sized->process.rows == 24);
    CHECK(WithConsoleSize(*sized, 1, 1)->process.rows == 24);
}

TEST_CASE("bad exec requests are refused") {
    const auto spec = ParseSpec(DefaultSpec()).value();
    const auto make = [&](const std::function<void(ExecRequest&)>& change) {
        ExecRequest request;
        request.command = {"true"};
        change(request);
        return MakeExecProcess(spec, request);
    };
    CHECK(make([](ExecRequest&) {}));
    CHECK_FALSE(make([](ExecRequest& r) { r.command.clear(); }));
    CHECK_FALSE(make([](ExecRequest& r) { r.user = "root"; }));
    CHECK_FALSE(make([](ExecRequest& r) { r.user = "1:x"; }));
    CHECK_FALSE(make([](ExecRequest& r) { r.user = "-1"; }));
    CHECK_FALSE(make([](ExecRequest& r) { r.cwd = "relative"; }));
    CHECK_FALSE(ReadExecProcess("[]"));
    CHECK_FALSE(ReadExecProcess("{\"args\":[\"x\"]}"));
    CHECK(ReadExecProcess("{\"args\":[\"x\"],\"cwd\":\"/\"}"));
}

TEST_CASE("capabilities are known as the guest reads them") {
    for (const char* name : {"CAP_CHOWN", "chown", "cap_Kill", "CAP_CHECKPOINT_RESTORE"})
        CHECK_MESSAGE(IsCapability(name), name);
    for (const char* name : {"", "CAP_", "CAP_NO_SUCH", "CAP_CHOWN "})
        CHECK_FALSE_MESSAGE(IsCapability(name), name);
}

TEST_CASE("exec --cgroup takes one path, as the unified hierarchy has it") {
    CHECK(SubCgroup({}).value().empty());
    CHECK(SubCgroup({"/sub"}).value() == "/sub");
    CHECK(SubCgroup({":/sub"}).value() == "/sub");
    CHECK(SubCgroup({"a/b"}).value() == "a/b");
    const auto fails = [](const std::vector<std::string>& values) {
        return SubCgroup(values).error().message;
    };
    // Version 1's forms are refused in runc's words for version 2.
    CHECK(fails({"cpu:/sub"}).find("unknown controller \"cpu\"") != std::string::npos);
    CHECK(fails({":"}).find("invalid") != std::string::npos);
    CHECK(fails({"a:b:c"}).find("invalid --cgroup argument") != std::string::npos);
    CHECK(fails({"/a", "/b"}).find("missing <controller>: prefix") != std::string::npos);
    CHECK(fails({"/../b"}).find("is not a sub cgroup path") != std::string::npos);
    CHECK(fails({""}).find("invalid") != std::string::npos);
}

}  // namespace cc::runtime

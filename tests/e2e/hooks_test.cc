// SPDX-License-Identifier: Apache-2.0
// Hooks at every turn of a container's life.
#include <doctest/doctest.h>

#include "base/file.h"
#include "tests/e2e/host.h"

namespace cc::test {

namespace {

Json ShellHook(const std::string& script) {
    return {{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}};
}

std::string Log(const Host& host) {
    return ReadFile(host.directory() + "/log", 1 << 20).value_or("");
}

}  // namespace

TEST_CASE("all hooks run in order, each where it belongs, with the state of that moment") {
    Host host;
    const std::string log = host.directory() + "/log";
    REQUIRE(WriteFileAtomic(host.directory() + "/hook",
                            Cat("#!/bin/sh\nread -r state\n"
                                "pid=${state#*\\\"pid\\\":}; pid=${pid%%,*}\n"
                                "status=${state#*\\\"status\\\":\\\"}; status=${status%%\\\"*}\n"
                                "case $pid in [0-9]*) net=$(readlink /proc/$pid/ns/net);; "
                                "*) net=;; esac\n"
                                "[ \"$net\" = \"$(readlink /proc/self/ns/net)\" ] && where=inside "
                                "|| where=outside\n"
                                "echo $1 $status $where $A >>",
                                log, "\n"),
                            0755));
    const Finished run =
        host.Run("c1", {"sh", "-c", "cat /hooked; echo process"}, "", [&](Json& config) {
            for (const char* stage :
                 {"prestart", "createRuntime", "createContainer", "poststart", "poststop"})
                config["hooks"][stage].push_back({{"path", host.directory() + "/hook"},
                                                  {"args", {"hook", stage}},
                                                  {"env", {"A=b", "PATH=/usr/bin:/bin"}}});
            config["hooks"]["startContainer"].push_back(
                ShellHook("cat >/hooked; echo >>/hooked; hostname >>/hooked"));
        });
    CHECK_MESSAGE(run.status == 0, run.err);
    CHECK(Log(host) ==
          "prestart creating outside b\ncreateRuntime creating outside b\n"
          "createContainer creating inside b\npoststart running outside b\n"
          "poststop stopped outside b\n");
    CAPTURE(run.out);
    const auto lines = Split(run.out, '\n');
    REQUIRE(lines.size() >= 3);
    const Json state = Json::parse(lines[0]);
    CHECK(state["status"] == "created");
    CHECK(state["id"] == "c1");
    CHECK(state["pid"] == 1);
    CHECK(state["bundle"] == host.directory() + "/bundles/c1");
    CHECK(lines[1] == "guest");
    CHECK(lines[2] == "process");
}

TEST_CASE("what a createContainer hook mounts on the root file system is the container's alone") {
    Host host;
    const std::string place = host.rootfs() + "/mnt";
    REQUIRE(MakeDirectories(place + "/ro", 0755));
    const auto add_hook = [&](Json& config) {
        config["hooks"]["createContainer"] = {
            ShellHook(Cat("mount -t tmpfs hook ", place, " && mkdir ", place,
                          "/ro && echo hooked >", place, "/file")),
            // The host's files under their names there, and what the one before has mounted.
            ShellHook(Cat("cat ", place, "/file >", host.directory(), "/log"))};
        config["hooks"]["createRuntime"] = {ShellHook(Cat("[ ! -e ", place, "/file ] || exit 8"))};
    };
    for (int round = 0; round < 2; ++round) {
        const Finished run =
            host.Run("c1", {"sh", "-c", "cat /mnt/file; echo w >/mnt/written"}, "", add_hook);
        CHECK_MESSAGE(run.status == 0, run.err);
        CHECK(run.out == "hooked\n");
        CHECK(Log(host) == "hooked\n");
        CHECK(ListDirectory(place).value() == std::vector<std::string>{"ro"});
        host.CheckNoResidue();
    }
    // The step after the hooks fails: the mounts are gone all the same.
    const std::string bundle = host.Bundle("c2", {"true"}, add_hook);
    CHECK(host.Runtime({"create", "--fail-after", "hooks", "--bundle", bundle, "c2"}).status == 1);
    CHECK(ListDirectory(place).value() == std::vector<std::string>{"ro"});
    host.CheckNoResidue();
}

TEST_CASE("a failing hook before the start ends the container, and poststop hooks clean up") {
    for (const char* stage : {"prestart", "createRuntime", "createContainer", "startContainer"}) {
        CAPTURE(stage);
        Host host;
        const std::string log = host.directory() + "/log";
        const Finished run = host.Run("c1", {"echo", "ran"}, "", [&](Json& config) {
            config["hooks"][stage] = {ShellHook("echo because >&2; exit 9")};
            config["hooks"]["poststop"] = {ShellHook(Cat("echo cleaned >>", log))};
        });
        CHECK(run.status == 1);
        CHECK(run.out == "");
        CHECK(Split(std::string(Trim(run.err)), '\n').size() == 1);
        CHECK(run.err.find(stage) != std::string::npos);
        CHECK(run.err.find("ended with status 9, saying \"because\"") != std::string::npos);
        CHECK(Log(host) == "cleaned\n");
        host.CheckNoResidue();
    }
}

TEST_CASE("a failing hook after the start is a warning, and life goes on") {
    Host host;
    const std::string log = host.directory() + "/log";
    const Finished run = host.Run("c1", {"echo", "ran"}, "", [&](Json& config) {
        for (const char* stage : {"poststart", "poststop"})
            config["hooks"][stage] = {ShellHook("exit 9"),
                                      ShellHook(Cat("echo ", stage, " >>", log))};
    });
    CHECK(run.status == 0);
    CHECK(run.out == "ran\n");
    CHECK(run.err.find("warning: hook poststart[0]") != std::string::npos);
    CHECK(run.err.find("warning: hook poststop[0]") != std::string::npos);
    CHECK(Log(host) == "poststart\npoststop\n");
}

}  // namespace cc::test

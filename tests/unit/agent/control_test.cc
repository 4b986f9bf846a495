// SPDX-License-Identifier: Apache-2.0
// Commands of our own about a container that runs: paused, counted, with new limits.
#include <csignal>

#include <doctest/doctest.h>

#include "base/text.h"
#include "protocol/container_control.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {
const std::string kOne = Encode(OneContainer{"one"});
}  // namespace

TEST_CASE("a paused container stands still until it is resumed, and takes no new processes") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(host.Call(ControlCode::kNewContainer,
                           NewContainerOf("one", Shell("while read l; do echo $l; done", 3))));
    host.Input(3, "before\n");
    host.WaitOutput(3, "before\n");
    Acknowledged(host.Call(ControlCode::kPauseContainer, kOne));
    Acknowledged(host.Call(ControlCode::kPauseContainer, kOne));
    host.Input(3, "while paused\n");
    CHECK(host.CallFails(ControlCode::kExecCmd, ExecIn("one", Shell("true", 5))) ==
          "Container one is paused, impossible to exec");
    const Answer table =
        host.Call(ControlCode::kPsContainer, Encode(PsContainer{"one", "table", {}}));
    CHECK(table.payload.find("while read l") != std::string::npos);
    CHECK(host.Output(3) == "before\n");
    Acknowledged(host.Call(ControlCode::kResumeContainer, kOne));
    host.WaitOutput(3, "before\nwhile paused\n");
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("one", Shell("exit 7", 5))));
    CHECK(host.WaitExit(5) == 7);
    host.Input(3, "");
    CHECK(host.WaitExit(3) == 0);
}

TEST_CASE("a paused container gets its signals when it is resumed, but SIGKILL ends it at once") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(host.Call(
        ControlCode::kNewContainer,
        NewContainerOf("one", Shell("trap 'echo got it' USR1; echo ready; while :; do sleep 0.1; "
                                    "done",
                                    3))));
    host.WaitOutput(3, "ready\n");
    Acknowledged(host.Call(ControlCode::kPauseContainer, kOne));
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"one", SIGUSR1, false, 0})));
    CHECK(host.Output(3) == "ready\n");
    Acknowledged(host.Call(ControlCode::kResumeContainer, kOne));
    host.WaitOutput(3, "ready\ngot it\n");
    Acknowledged(host.Call(ControlCode::kPauseContainer, kOne));
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"one", SIGKILL, false, 0})));
    CHECK(host.WaitExit(3) == 128 + SIGKILL);
    CHECK(host.CallFails(ControlCode::kResumeContainer, kOne) ==
          "Container one not running, impossible to resume");
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"one"})));
}

TEST_CASE("a pod with a paused container is destroyed like any other") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("one", Shell("sleep 1000", 3))));
    Acknowledged(host.Call(ControlCode::kPauseContainer, kOne));
    Acknowledged(host.Call(ControlCode::kDestroyPod));
}

TEST_CASE("statistics are the files of the container's cgroup, also after its end") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    CHECK(host.CallFails(ControlCode::kContainerStats, kOne) ==
          "Container one not found, impossible to count");
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("one", Shell("read line", 3))));
    for (const bool running : {true, false}) {
        CAPTURE(running);
        const Answer answer = host.Call(ControlCode::kContainerStats, kOne);
        Acknowledged(answer);
        const auto stats = ParseCgroupFiles(answer.payload);
        REQUIRE(stats);
        CHECK(stats->files.at("cpu.stat").starts_with("usage_usec "));
        if (!running) continue;
        host.Input(3, "go\n");
        CHECK(host.WaitExit(3) == 0);
    }
}

TEST_CASE("an update that cannot be is refused in one clear sentence") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    const auto update = [&](const std::string& resources) {
        return host.Call(ControlCode::kUpdateContainer, Encode(UpdateContainer{"one", resources}));
    };
    CHECK(update("{}").payload == "Container one not found, impossible to update");
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("one", Shell("sleep 1000", 3))));
    Acknowledged(update("{}"));
    CHECK(update(R"({"pids":{"limit":"many"}})").code == ControlCode::kError);
    // The host's unified hierarchy may have no controllers; a guest's has them all.
    const Answer answer = update(R"({"pids":{"limit":7}})");
    if (answer.code == ControlCode::kError)
        CHECK(answer.payload.find("has no such cgroup file") != std::string::npos);
}

}  // namespace cc::agent

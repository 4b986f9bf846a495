// SPDX-License-Identifier: Apache-2.0
// Extension 3 with the real agent: containers that are made first and started later.
#include <csignal>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/text.h"
#include "tests/unit/agent/link_host.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

Answer Hold(LinkHost& host, const std::string& id, const AgentProcess& process) {
    return host.Call(ControlCode::kNewContainer, NewContainerOf(id, process, "", true));
}

Answer Start(LinkHost& host, const std::string& id) {
    return host.Call(ControlCode::kStartContainer, Encode(StartContainer{id}));
}

bool Exists(const HostAgent& agent, const std::string& name) {
    struct stat status {};
    return ::stat(Cat(agent.rootfs(), "/", name).c_str(), &status) == 0;
}

}  // namespace

TEST_CASE("a held container's program runs only when it is started") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("echo ran >/ran; cat; exit 7", 3)));
    host.Input(3, 0, "early", true);
    CHECK(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"c"})).payload ==
          "Container c still running, impossible to remove");
    CHECK_FALSE(Exists(agent, "ran"));
    Acknowledged(Start(host, "c"));
    CHECK(host.RunToEnd(3) == Exit{3, 7, 0, false});
    CHECK(host.Output(3) == "early");
    CHECK(Exists(agent, "ran"));
    CHECK(Start(host, "c").payload ==
          "Container c does not wait for its start, impossible to start");
}

TEST_CASE("what a held container lacks is told when it is made") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    AgentProcess process = Shell("", 3);
    process.args = {"nothing-of-that-name"};
    const Answer answer = Hold(host, "c", process);
    CHECK(answer.code == ControlCode::kError);
    CHECK(answer.payload.find("executable file not found in $PATH") != std::string::npos);
    CHECK(Start(host, "c").payload == "Container c not found, impossible to start");
}

TEST_CASE("a held container has its terminal before it is started") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    AgentProcess shell = Shell("stty size; exit 3", 3);
    shell.terminal = true;
    shell.stderr_sequence = 0;
    Acknowledged(Hold(host, "t", shell));
    Acknowledged(host.Call(ControlCode::kWinSize, Encode(WinSize{3, 33, 77})));
    Acknowledged(Start(host, "t"));
    CHECK(host.RunToEnd(3).code == 3);
    CHECK(host.Output(3).find("33 77") != std::string::npos);
}

TEST_CASE("a signal to a held container has its default action, and the end is told") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("exit 0", 3)));
    const auto signal = [&](int number, bool all) {
        Acknowledged(
            host.Call(ControlCode::kKillContainer, Encode(KillContainer{"c", number, all, 0})));
    };
    signal(SIGWINCH, false);
    signal(SIGCONT, true);
    signal(SIGTERM, false);
    CHECK(host.RunToEnd(3) == Exit{3, 128 + SIGTERM, SIGTERM, false});
    CHECK(Start(host, "c").code == ControlCode::kError);
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"c"})));
}

TEST_CASE("processes join a held container, and end with it") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("exit 0", 3)));
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("hostname; exit 4", 5))));
    CHECK(host.RunToEnd(5).code == 4);
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("sleep 1000", 7))));
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"c", SIGTERM, false, 0})));
    CHECK(host.RunToEnd(3).code == 128 + SIGTERM);
    CHECK(host.RunToEnd(7).code == 128 + SIGKILL);
    Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"c"})));
}

TEST_CASE("a held container is paused and resumed, and starts afterwards") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("exit 6", 3)));
    const std::string one = Encode(OneContainer{"c"});
    Acknowledged(host.Call(ControlCode::kPauseContainer, one));
    CHECK(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("true", 5))).payload ==
          "Container c is paused, impossible to exec");
    Acknowledged(host.Call(ControlCode::kResumeContainer, one));
    Acknowledged(Start(host, "c"));
    CHECK(host.RunToEnd(3).code == 6);
}

TEST_CASE("a pod with held containers can be destroyed") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("exit 0", 3)));
    Acknowledged(Hold(host, "d", Shell("exit 0", 5)));
    Acknowledged(host.Call(ControlCode::kDestroyPod));
}

TEST_CASE("a proxy that comes anew finds the session of a held container") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    Acknowledged(Hold(host, "c", Shell("exit 5", 3)));
    host.Adopt(2);
    const auto sessions = host.Sessions();
    REQUIRE(sessions.size() == 1);
    CHECK(sessions[0].base == 3);
    Acknowledged(Start(host, "c"));
    CHECK(host.RunToEnd(3).code == 5);
}

}  // namespace cc::agent

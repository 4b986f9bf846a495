// SPDX-License-Identifier: Apache-2.0
// Extension 4 with the real agent: a machine that rehearses, and what it asks for afterwards.
#include "protocol/rehearsal.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "base/text.h"
#include "tests/unit/agent/host_side.h"
#include "tests/unit/agent/messages.h"
#include "vmm/rehearsal_root.h"

namespace cc::agent {

namespace {

void ShowRoot(const HostAgent& agent) {
    const Fd share = Fd::Adopt(::open(agent.share().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(share);
    REQUIRE(MakeRehearsalRoot(share.get()));
}

const std::string kEntropy(64, 'e');

std::string PodWith(const std::string& entropy) {
    return Encode(StartPod{"pod", "hyperShared", entropy, 0});
}

}  // namespace

TEST_CASE("a machine that rehearsed starts a pod only with entropy of its own") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    ShowRoot(agent);
    {
        HostSide keeper = agent.Connect();
        CHECK(keeper.Receive().code == ControlCode::kReady);
        Acknowledged(keeper.Call(ControlCode::kRehearse, ""));
        // It may do so again: a clone does.
        Acknowledged(keeper.Call(ControlCode::kRehearse, ""));
    }
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    CHECK(
        host.CallFails(ControlCode::kStartPod, PodWith("")).starts_with("This machine may be one"));
    CHECK(host.CallFails(ControlCode::kStartPod, PodWith("too short")).starts_with("This machine"));
    Acknowledged(host.Call(ControlCode::kStartPod, PodWith(kEntropy)));
    CHECK(host.CallFails(ControlCode::kRehearse, "") ==
          "The machine is in use, impossible to rehearse");
    // Nothing of the rehearsal is in its way.
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("rehearsal", Shell("exit 3", 3))));
    CHECK(host.WaitExit(3) == 3);
}

TEST_CASE(
    "the first container after a rehearsal is like any other, though its process was there "
    "before") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    ShowRoot(agent);
    {
        HostSide keeper = agent.Connect();
        CHECK(keeper.Receive().code == ControlCode::kReady);
        Acknowledged(keeper.Call(ControlCode::kRehearse, ""));
    }
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    Acknowledged(host.Call(ControlCode::kStartPod, PodWith(kEntropy)));
    const std::string look =
        "echo $$; hostname; grep ^0: /proc/self/cgroup; hostname other; ls /proc/self/fd | wc -l; "
        "cat; "
        "exit 3";
    // One that does not suit comes first, and leaves it for the next.
    const std::string oci =
        R"({"root":{"path":"rootfs"},"process":{"args":["true"],"cwd":"/","env":["PATH=/bin"],
        "user":{"uid":0,"gid":0}},"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
        "linux":{"namespaces":[{"type":"mount"},{"type":"user"}],
        "uidMappings":[{"containerID":0,"hostID":0,"size":1000}],
        "gidMappings":[{"containerID":0,"hostID":0,"size":1000}]}})";
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("user", Shell("true", 1), oci)));
    CHECK(host.WaitExit(1) == 0);
    for (const uint64_t number : {10, 20}) {
        const std::string id = Cat("look", number);
        Acknowledged(host.Call(ControlCode::kNewContainer,
                               NewContainerOf(id, Shell(look, number), "", true)));
        // Its namespaces are there already.
        Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn(id, Shell("exit 4", number + 4))));
        CHECK(host.WaitExit(number + 4) == 4);
        Acknowledged(host.Call(ControlCode::kStartContainer, Encode(StartContainer{id})));
        Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn(id, Shell("exit 5", number + 2))));
        CHECK(host.WaitExit(number + 2) == 5);
        host.Input(number, "bye\n");
        host.Input(number, "");
        CHECK(host.WaitExit(number) == 3);
        CHECK(host.Output(number) == "1\npod\n0::/\n4\nbye\n");
        Acknowledged(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{id})));
    }
}

TEST_CASE("a first container that cannot be made fails with its reason after a rehearsal too") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    ShowRoot(agent);
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    Acknowledged(host.Call(ControlCode::kRehearse, ""));
    Acknowledged(host.Call(ControlCode::kStartPod, PodWith(kEntropy)));
    AgentProcess process = Shell("", 30);
    process.args = {"/no/such/program"};
    CHECK(host.CallFails(ControlCode::kNewContainer, NewContainerOf("missing", process))
              .find("no such file or directory") != std::string::npos);
    Acknowledged(
        host.Call(ControlCode::kNewContainer, NewContainerOf("missing", Shell("exit 4", 40))));
    CHECK(host.WaitExit(40) == 4);
}

TEST_CASE("a machine that did not rehearse needs no entropy, as with a runtime of 3.0") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    Acknowledged(host.Call(ControlCode::kStartPod, PodWith("")));
}

TEST_CASE("entropy that is no hexadecimal text is an error") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    CHECK(host.CallFails(ControlCode::kStartPod,
                         R"({"hostname":"pod","shareDir":"hyperShared","entropy":"xyz"})") ==
          "STARTPOD: entropy is not written in hexadecimal digits");
}

}  // namespace cc::agent

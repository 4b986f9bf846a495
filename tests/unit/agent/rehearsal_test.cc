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

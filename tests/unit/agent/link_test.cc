// SPDX-License-Identifier: Apache-2.0
// Extension 2 with the real agent: a host side that dies, comes back and is to miss nothing.
#include <csignal>

#include <doctest/doctest.h>
#include <unistd.h>

#include "agent/received_input.h"
#include "base/text.h"
#include "tests/unit/agent/link_host.h"
#include "tests/unit/agent/messages.h"

namespace cc::agent {

namespace {

constexpr uint64_t kMuch = 1 << 30;

void WriteNoise(const HostAgent& agent, const std::string& bytes) {
    REQUIRE(WriteFileAtomic(agent.rootfs() + "/noise", bytes, 0644));
}

// Ends the container's process and takes the container away; the agent knows when it has ended.
void RemoveEventually(LinkHost& host, const std::string& id) {
    while (host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{id})).code !=
           ControlCode::kAck)
        ::usleep(10000);
}

}  // namespace

TEST_CASE("a process's streams and its end come in frames, the end last") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "echo out; echo err >&2; exit 42", 3);
    CHECK(host.RunToEnd(3) == Exit{3, 42, 0, false});
    CHECK(host.Output(3) == "out\n");
    CHECK(host.Output(4) == "err\n");
    CHECK(host.ends(3) > 0);
    CHECK(host.ends(4) > 0);
    host.Run("d", "sleep 1000", 5);
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"d", SIGKILL, false, 0})));
    CHECK(host.RunToEnd(5) == Exit{5, 128 + SIGKILL, SIGKILL, false});
}

TEST_CASE("a terminal has one stream, and no end of input") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    AgentProcess shell = Shell("head -n 1; exit 4", 3);
    shell.terminal = true;
    shell.stderr_sequence = 0;
    Acknowledged(host.Call(ControlCode::kNewContainer, NewContainerOf("t", shell)));
    host.Input(3, 0, "", true);
    host.Input(3, 0, "line\n");
    CHECK(host.RunToEnd(3).code == 4);
    CHECK(host.Output(3).find("line\r\n") != std::string::npos);
}

TEST_CASE("nothing is sent before a window that rewinds, and nothing beyond its limit") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    WriteNoise(agent, Noise(400000));
    LinkHost host = LinkHost::WithPod(agent);
    // More than the agent keeps and a pipe holds: the process cannot end before it is taken.
    host.Run("c", "cat /noise", 3);
    host.Window(3, 0, kMuch);  // does not rewind
    host.Run("d", "exit 1", 5);
    CHECK(host.WaitExit() == Exit{5, 1, 0, true});
    CHECK(host.data().empty());
    host.Window(3, 0, 1000, true);
    host.WaitOutput(3, 1000);
    host.Window(3, 1000, 5000);
    host.WaitOutput(3, 5000);
    host.Window(4, 0, 0, true);
    CHECK(host.RunToEnd(5).code == 1);
    CHECK(host.Output(3).size() == 5000);
    CHECK(host.ends(4) == 0);
    for (const auto& exit : host.exits())
        CHECK(exit.base == 5);
    CHECK(host.RunToEnd(3).code == 0);
    CHECK((host.Output(3) == Noise(400000)));
}

TEST_CASE("rewinding sends the same bytes again, up to those that were acknowledged") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    WriteNoise(agent, Noise(150000));
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "cat /noise", 3);
    host.Window(3, 0, kMuch, true);
    host.WaitEnds(3, 1);
    host.Window(3, 0, kMuch, true);
    host.WaitEnds(3, 2);  // which compares
    const size_t frames = host.data().size();
    host.Window(3, 100001, kMuch, true);
    host.WaitEnds(3, 3);
    CHECK(host.data()[frames].offset == 100001);
    host.Window(3, 5, kMuch, true);  // too far back: that is forgotten
    host.WaitEnds(3, 4);
    CHECK(host.RunToEnd(3).code == 0);
    CHECK((host.Output(3) == Noise(150000)));
}

TEST_CASE(
    "an end is said early, and finally once both streams are acknowledged, and after each rewind") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "echo x; exit 3", 3);
    CHECK(host.WaitExit() == Exit{3, 3, 0, true});
    host.Window(3, 0, kMuch, true);
    host.WaitEnds(3, 1);
    host.Window(4, 0, kMuch, true);
    host.WaitEnds(4, 1);
    host.Run("d", "exit 0", 5);
    while (host.exits().back().base != 5)
        host.PumpIo();
    for (const auto& exit : host.exits())
        CHECK(exit.early);
    host.Window(3, 2, kMuch);
    CHECK(host.WaitExit() == Exit{3, 3, 0, false});
    host.Window(4, 0, kMuch, true);
    CHECK(host.WaitExit() == Exit{3, 3, 0, false});
    host.Adopt(2);
    host.Window(3, 2, kMuch, true);
    CHECK(host.WaitExit() == Exit{3, 3, 0, true});  // of stderr nothing is known yet
    host.Window(4, 0, 0, true);
    CHECK(host.WaitExit() == Exit{3, 3, 0, false});
}

TEST_CASE("a grandchild that holds the output open delays the end for a bounded time") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "sleep 1000", 3);
    Acknowledged(host.Call(ControlCode::kExecCmd, ExecIn("c", Shell("sleep 1000 & echo done", 5))));
    CHECK(host.RunToEnd(5).code == 0);
    CHECK(host.Output(5) == "done\n");
}

TEST_CASE("a host that dies in the middle of output and comes back gets every byte") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    const std::string noise = Noise(4 << 20);
    WriteNoise(agent, noise);
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "cat /noise; exit 6", 3);
    for (uint32_t epoch = 2; epoch < 10; ++epoch) {
        // What the agent has written and nobody has read is lost with the connection.
        const size_t have = host.Output(3).size();
        host.Window(3, have, have + 600000, true);
        host.WaitOutput(3, have + 200000);
        host.Adopt(epoch);
    }
    CHECK(host.RunToEnd(3).code == 6);
    CHECK((host.Output(3) == noise));
}

TEST_CASE(
    "an epoch begins in the middle of a connection, and what was queued before it is dropped") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    const std::string noise = Noise(1 << 20);
    WriteNoise(agent, noise);
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "cat /noise", 3);
    host.Window(3, 0, kMuch, true);
    host.WaitOutput(3, 1);
    // The rest of the old epoch still comes, but is not looked at.
    const uint32_t before = host.epoch();
    host.SayHello(before + 1);
    host.IgnoreEpochsBefore(before + 1);
    host.AwaitHello();
    CHECK(host.RunToEnd(3).code == 0);
    CHECK((host.Output(3) == noise));
}

TEST_CASE("a command that was cut is not carried out, wherever it was cut") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    const std::string command =
        host.Frame({.type = LinkType::kRequest,
                    .stream = 1,
                    .offset = static_cast<uint64_t>(ControlCode::kNewContainer),
                    .payload = NewContainerOf("cut", Shell("sleep 1000", 3))});
    uint32_t epoch = 1;
    for (const size_t size : {size_t{1}, size_t{15}, size_t{16}, size_t{30}, size_t{48},
                              size_t{100}, command.size() - 1}) {
        CAPTURE(size);
        // With the hang-up hidden, and with one.
        host.WriteControl(command.substr(0, size));
        host.SayHello(++epoch);
        host.AwaitHello();
        host.WriteControl(command.substr(0, size));
        host.Adopt(++epoch);
        Acknowledged(host.Call(ControlCode::kPing));
        CHECK(host.Sessions().empty());
    }
    CHECK(host.Call(ControlCode::kRemoveContainer, Encode(RemoveContainer{"cut"})).code ==
          ControlCode::kError);
}

TEST_CASE("a command that comes twice is carried out once and answered the same") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    constexpr uint64_t kId = 1ULL << 63 | 77;
    const std::string command = NewContainerOf("c", Shell("echo x >>/count; exit 0", 3));
    host.RequestAs(kId, ControlCode::kNewContainer, command);
    host.RequestAs(kId, ControlCode::kNewContainer, command);  // while the first one runs
    Acknowledged(host.Reply(kId));
    CHECK(host.RunToEnd(3).code == 0);
    host.RequestAs(kId, ControlCode::kNewContainer, command);
    Acknowledged(host.Reply(kId));
    host.Adopt(2);
    host.RequestAs(kId, ControlCode::kNewContainer, command);
    Acknowledged(host.Reply(kId));
    CHECK(ReadFile(agent.rootfs() + "/count", 100).value() == "x\n");
    // An error is an answer, too.
    host.RequestAs(kId + 1, ControlCode::kNewContainer, command);
    const Answer refused = host.Reply(kId + 1);
    CHECK(refused.payload == "Container c already exists, impossible to run a new one");
    RemoveEventually(host, "c");
    host.RequestAs(kId + 1, ControlCode::kNewContainer, command);
    CHECK(host.Reply(kId + 1).payload == refused.payload);
}

TEST_CASE("a command that outlives its host is answered to the next one") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "sleep 1000", 3);
    const uint64_t start = host.Request(ControlCode::kExecCmd, ExecIn("c", Shell("exit 0", 5)));
    const uint64_t stop = host.Request(ControlCode::kDestroyPod);
    host.SayHello(2);
    host.IgnoreEpochsBefore(2);
    host.AwaitHello();
    host.RequestAs(start, ControlCode::kExecCmd, ExecIn("c", Shell("exit 0", 5)));
    host.RequestAs(stop, ControlCode::kDestroyPod);
    Acknowledged(host.Reply(start));
    Acknowledged(host.Reply(stop));
    // Commands are carried out in their order, the list of sessions, too.
    CHECK(host.Sessions().size() == 2);
}

TEST_CASE("many commands that come at once are answered in their order") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    std::string burst;
    const std::string padding(100000, ' ');
    const std::string start = NewContainerOf("c", Shell("exit 0", 3));
    const auto add = [&](uint64_t id, ControlCode code, std::string_view payload) {
        burst += host.Frame({.type = LinkType::kRequest,
                             .stream = id,
                             .offset = static_cast<uint64_t>(code),
                             .payload = payload});
    };
    add(1, ControlCode::kNewContainer, start);
    for (uint64_t id = 2; id <= 60; ++id)
        add(id, ControlCode::kKillContainer, Encode(KillContainer{"c", SIGCONT}) + padding);
    host.WriteControl(burst);
    for (uint64_t id = 1; id <= 60; ++id)
        Acknowledged(host.Reply(id));
    CHECK(host.RunToEnd(3).code == 0);
}

TEST_CASE("frames and Hellos of an earlier epoch are ignored") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Adopt(5);
    host.Run("c", "exec cat", 3);
    host.set_epoch(4);
    host.RequestAs(1, ControlCode::kDestroyPod);
    host.Input(3, 0, "bad", true);
    host.Forget(3);
    host.SayHello(4);
    host.set_epoch(6);  // nor is anything taken of an epoch that has not begun
    host.RequestAs(1, ControlCode::kDestroyPod);
    host.set_epoch(5);
    const size_t replies = host.replies();
    Acknowledged(host.Call(ControlCode::kPing));
    CHECK(host.replies() == replies + 1);
    host.Input(3, 0, "good", true);
    CHECK(host.RunToEnd(3).code == 0);
    CHECK(host.Output(3) == "good");
}

TEST_CASE("input is taken once and in order, and its end after it") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "exec cat", 3);
    while (host.limit(3) == 0)
        host.PumpIo();
    CHECK(host.limit(3) == kStreamWindow);
    host.Input(3, 0, "abc");
    host.Input(3, 1, "bcd");
    host.Input(3, 2, "cd");
    host.Input(3, 10, "a gap");
    host.Input(3, 6, "", true);
    host.WaitTaken(3, 4);
    host.Adopt(2);
    const auto sessions = host.Sessions();
    REQUIRE(sessions.size() == 1);
    CHECK(sessions[0].base == 3);
    CHECK(sessions[0].stdin_received == 4);
    CHECK(sessions[0].stdin_taken == 4);
    CHECK(sessions[0].stdin_limit == 4 + kStreamWindow);
    host.Input(3, 0, "abcdef", true);
    host.Input(3, 6, "", true);
    host.Input(3, 6, "beyond the end");
    CHECK(host.RunToEnd(3).code == 0);
    CHECK(host.Output(3) == "abcdef");
}

TEST_CASE("20 MB go both ways through hosts that die, and come back unchanged") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "exec cat", 3);
    const std::string sent = Noise(20 << 20);
    uint32_t epoch = 1;
    size_t given = 0;
    bool rewind = true;
    while (host.Output(3).size() < sent.size()) {
        host.Window(3, host.Output(3).size(), host.Output(3).size() + 300000, rewind);
        rewind = false;
        while (given < std::min(sent.size(), static_cast<size_t>(host.limit(3)))) {
            const size_t count = std::min(host.limit(3) - given, uint64_t{30000});
            host.Input(3, given, std::string_view(sent).substr(given, count));
            given = std::min(sent.size(), given + count);
        }
        host.PumpIo();
        if (host.Output(3).size() / (3 << 20) >= epoch) {
            host.Adopt(++epoch);
            given = host.Sessions()[0].stdin_taken;  // some of it once more
            rewind = true;
        }
    }
    CHECK(epoch == 7);
    host.Input(3, sent.size(), "", true);
    CHECK(host.RunToEnd(3).code == 0);
    CHECK((host.Output(3) == sent));
}

TEST_CASE("a process that does not read its input holds up nobody") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("stuck", "sleep 1000", 3);
    host.Run("c", "exec cat", 5);
    const std::string block(60000, 'x');
    for (uint64_t offset = 0; offset < 20 * block.size(); offset += block.size())
        host.Input(3, offset, block);  // most of it beyond the limit
    host.Input(5, 0, "through", true);
    CHECK(host.RunToEnd(5).code == 0);
    CHECK(host.Output(5) == "through");
    // What was beyond the window when it came has to come again.
    CHECK(host.Sessions()[0].stdin_received == kStreamWindow);
    // Input for a process that has ended is taken by nobody, and said to be taken.
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"stuck", SIGKILL, false, 0})));
    host.WaitTaken(3, kStreamWindow);
    const uint64_t taken = host.taken(3);
    host.Input(3, taken, "more");
    host.WaitTaken(3, taken + 4);
}

TEST_CASE("a session lives until it is forgotten, and one that is forgotten goes on unheard") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    WriteNoise(agent, Noise(1 << 20));
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("ended", "exit 0", 3);
    CHECK(host.RunToEnd(3).code == 0);
    host.Run("running", "cat /noise; echo x >/finished", 5);
    CHECK(host.Sessions().size() == 2);
    host.Forget(3);
    host.Forget(5);
    host.Forget(99);
    RemoveEventually(host, "running");
    CHECK(host.Sessions().empty());
    CHECK(ReadFile(agent.rootfs() + "/finished", 100).value() == "x\n");
    CHECK(host.Output(5).empty());
    for (const auto& exit : host.exits())
        CHECK(exit.base == 3);
}

TEST_CASE("a process without a shim is never heard of") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    WriteNoise(agent, Noise(1 << 20));
    LinkHost host = LinkHost::WithPod(agent);
    AgentProcess process = Shell("cat /noise", 1);
    Acknowledged(host.Call(ControlCode::kNewContainer, NewContainerOf("c", process)));
    host.Window(1, 0, kMuch, true);
    RemoveEventually(host, "c");
    CHECK(host.Sessions().empty());
    host.Run("d", "exit 0", 3);
    CHECK(host.RunToEnd(3).code == 0);
    CHECK(host.Output(1).empty());
    for (const auto& exit : host.exits())
        CHECK(exit.base == 3);
}

TEST_CASE("a connection takes plain commands until a Hello comes") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    LinkHost host = LinkHost::WithPod(agent);
    host.Run("c", "echo x; exit 2", 3);
    host.Reconnect();
    CHECK(host.ReceivePlain().code == ControlCode::kReady);
    host.WriteControl(EncodeControl(ControlCode::kPing, ""));
    Acknowledged(host.ReceivePlain());
    // A Hello byte by byte is no plain message; neither is one behind a plain command that was cut.
    host.WriteControl(EncodeControl(ControlCode::kDestroyPod, "").substr(0, 5));
    host.set_epoch(2);
    for (const char byte : host.Frame({.type = LinkType::kHello}))
        host.WriteControl({&byte, 1});
    host.SayHello(2);
    host.AwaitHello();
    CHECK(host.RunToEnd(3).code == 2);
}

TEST_CASE("a host that starts over with another marker finds no sessions") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    WriteNoise(agent, Noise(1 << 20));
    LinkHost before = LinkHost::WithPod(agent);
    before.Run("c", "cat /noise; echo x >/finished", 3);
    before.Reconnect();
    before.Disconnect();
    LinkHost host(agent, 'N');
    CHECK(host.Sessions().empty());
    RemoveEventually(host, "c");
    CHECK(ReadFile(agent.rootfs() + "/finished", 100).value() == "x\n");
    host.Run("c", "exit 9", 3);
    CHECK(host.RunToEnd(3).code == 9);
}

TEST_CASE("a 3.0 proxy is served before and after one with the extension") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    {
        HostSide host = agent.StartPod();
        Acknowledged(host.Call(ControlCode::kNewContainer,
                               NewContainerOf("before", Shell("head -n 1; exit 1", 3))));
        host.Input(3, "plain\n");
        CHECK(host.WaitExit(3) == 1);
        CHECK(host.Output(3) == "plain\n");
    }
    {
        LinkHost host(agent);
        host.Run("between", "echo framed; exit 2", 5);
        CHECK(host.RunToEnd(5).code == 2);
        host.Run("left", "exec cat", 7);
    }
    HostSide host = agent.Connect();
    CHECK(host.Receive().code == ControlCode::kReady);
    host.Input(99, "for nobody");
    Acknowledged(host.Call(ControlCode::kNewContainer,
                           NewContainerOf("after", Shell("head -n 1; exit 3", 3))));
    host.Input(3, "plain again\n");
    CHECK(host.WaitExit(3) == 3);
    CHECK(host.Output(3) == "plain again\n");
    Acknowledged(
        host.Call(ControlCode::kKillContainer, Encode(KillContainer{"left", SIGKILL, false, 0})));
    Acknowledged(host.Call(ControlCode::kDestroyPod));
}

TEST_CASE("a VERSION without a marker is refused, and plain messages go on") {
    if (SkipWithoutRoot()) return;
    const HostAgent agent;
    HostSide host = agent.StartPod();
    CHECK(host.CallFails(ControlCode::kVersion, "{\"extension\":2}").find("marker") !=
          std::string::npos);
    Acknowledged(host.Call(ControlCode::kVersion, "{\"extension\":1}"));
    Acknowledged(host.Call(ControlCode::kPing));
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// The router with an agent of extension 2: windows, offsets, ends, and shims of both versions.
#include "protocol/window.h"
#include "tests/unit/proxy/link_hub.h"

namespace cc::proxy {

namespace {

uint64_t LimitOf(const HeardLink& window) {
    REQUIRE(window.type == LinkType::kWindow);
    return LoadBigEndian<8>(window.payload, 0);
}

std::string Limit(uint64_t limit) {
    std::string bytes;
    AppendBigEndian<8>(bytes, limit);
    return bytes;
}

std::string Window(StreamKind stream, uint64_t offset, uint64_t limit) {
    return EncodeNotification(Notification::kWindow, Encode(WindowUpdate{stream, {offset, limit}}));
}

}  // namespace

TEST_CASE("a VM is registered once both of its ports have answered Hello") {
    LinkHub hub;
    hub.world->listeners = {{"/ctl", 0}, {"/io", 0}};
    hub.Register();
    CHECK(hub.epoch == 1);
    CHECK(hub.marker.size() == kMarkerSize);
}

TEST_CASE("a version 3 shim's windows reach the agent when its process starts, and as they grow") {
    LinkHub hub;
    hub.Start();
    auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].stream == 3);
    CHECK(heard[1].stream == 4);
    for (const auto& window : heard) {
        CHECK(window.flags == kLinkRewind);
        CHECK(window.offset == 0);
        CHECK(LimitOf(window) == 1000);
    }
    hub.Output(0, "0123456789");
    hub.shim->Send(Window(StreamKind::kStdout, 10, 1010));
    hub.world->Run();
    heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].stream == 3);
    CHECK(heard[0].flags == 0);
    CHECK(heard[0].offset == 10);
    CHECK(LimitOf(heard[0]) == 1010);
}

TEST_CASE("output reaches a version 3 shim with its offsets, the end and the exit after it") {
    LinkHub hub;
    hub.Start();
    hub.Output(0, "hello");
    hub.Say(hub.io, {hub.epoch, LinkType::kData, 0, 4, 0, "oops"});
    hub.Output(5, "", kLinkEnd);
    const char end[] = {'\x89', '\x09'};
    hub.Say(hub.io, {hub.epoch, LinkType::kExit, kLinkEarly, 3, 0, {end, 2}});
    hub.Say(hub.io, {hub.epoch, LinkType::kExit, 0, 3, 0, {end, 2}});
    const auto heard = LinkHub::Heard3(hub.shim);
    REQUIRE(heard.size() == 5);
    CHECK(heard[0].Is(StreamKind::kStdout));
    CHECK(heard[0].payload == "hello");
    CHECK(heard[1].Is(StreamKind::kStderr));
    CHECK(heard[2].end);
    CHECK(heard[2].offset == 5);
    CHECK(heard[3].Is(Notification::kProcessEnded));
    CHECK(heard[4].Is(Notification::kProcessExited));
    const auto exit = ParseProcessEnd(heard[4].payload);
    REQUIRE(exit);
    CHECK(exit->code == 137);
    CHECK(exit->signal == 9);
}

TEST_CASE("a version 3 shim hears that memory ran out, one of version 2 the status alone") {
    for (const bool version3 : {true, false}) {
        LinkHub hub;
        hub.Start(version3 ? kClientVersion3 : kClientVersion2);
        const char end[] = {'\x89', '\x09'};
        hub.Say(hub.io, {hub.epoch, LinkType::kExit, kLinkOutOfMemory, 3, 0, {end, 2}});
        if (!version3) {
            CHECK(hub.shim->Take() == EncodeProcessExited(137));
            continue;
        }
        const auto heard = LinkHub::Heard3(hub.shim);
        REQUIRE(heard.size() == 1);
        const auto exit = ParseProcessEnd(heard[0].payload);
        REQUIRE(exit);
        CHECK(exit->code == 137);
        CHECK(exit->out_of_memory);
    }
}

TEST_CASE("bytes that come twice are passed on once, bytes beyond a gap not at all") {
    LinkHub hub;
    hub.Start();
    hub.Output(0, "abc");
    hub.Output(1, "bcde");
    hub.Output(0, "ab");
    hub.Output(9, "late");
    hub.Output(5, "f", kLinkEnd);
    hub.Output(5, "f", kLinkEnd);
    std::string all;
    size_t ends = 0;
    for (const auto& frame : LinkHub::Heard3(hub.shim)) {
        CHECK(frame.offset == all.size());
        all += frame.payload;
        ends += frame.end ? 1 : 0;
    }
    CHECK(all == "abcdef");
    CHECK(ends == 1);
}

TEST_CASE("an agent that sends beyond its window loses its VM") {
    LinkHub hub;
    hub.Start();
    hub.Output(0, std::string(1001, 'x'));
    CHECK(hub.io->closed);
    CHECK(hub.shim->closed);
}

TEST_CASE("an agent with frames that make no sense loses its VM, and nothing else happens") {
    for (const LinkFrame& frame :
         {LinkFrame{1, LinkType::kWindow, 0, 3, 0, "short"},
          LinkFrame{1, LinkType::kExit, 0, 3, 0, "x"}, LinkFrame{1, LinkType::kExit, 0, 4, 0, "xy"},
          LinkFrame{1, LinkType::kForget, 0, 3, 0, {}},
          LinkFrame{1, LinkType::kData, 0, 3, ~uint64_t{0}, "xy"}}) {
        LinkHub hub;
        hub.Start();
        hub.Say(hub.io, frame);
        CHECK(hub.io->closed);
    }
    LinkHub hub;
    hub.Start();
    hub.Say(hub.io, {1, LinkType::kData, 0, 99, 0, "of a session that nobody knows"});
    hub.Say(hub.io, {7, LinkType::kExit, 0, 3, 0, "of another epoch"});
    hub.Say(hub.control, {1, LinkType::kReply, 0, 4711, 9, "an answer nobody waits for"});
    hub.control->Send("noise between frames");
    hub.Output(0, "on");
    CHECK(LinkHub::Heard3(hub.shim).at(0).payload == "on");
}

TEST_CASE("standard input goes to the agent with its offset, within the window") {
    LinkHub hub;
    hub.Start();
    hub.Heard(hub.io);
    hub.Say(hub.io, {1, LinkType::kWindow, 0, 3, 0, Limit(8)});
    const auto window = LinkHub::Heard3(hub.shim);
    REQUIRE(window.size() == 1);
    CHECK(ParseWindowUpdate(window[0].payload)->window.limit == 8);
    hub.shim->Send(EncodeStreamAt(StreamKind::kStdin, 0, "1234", false) +
                   EncodeStreamAt(StreamKind::kStdin, 4, "5678", true));
    hub.world->Run();
    const auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 2);
    CHECK(heard[1].offset == 4);
    CHECK(heard[1].payload == "5678");
    CHECK(heard[1].flags == kLinkEnd);
    hub.shim->Send(EncodeStreamAt(StreamKind::kStdin, 8, "9", false));
    hub.world->Run();
    CHECK(hub.shim->closed);
}

TEST_CASE(
    "input that the agent wants goes to it though its word that the process runs is to come") {
    LinkHub hub;
    hub.Register();
    hub.Connect();
    hub.Hyper(hub.runtime);
    const uint64_t id = hub.Request().stream;
    hub.Say(hub.io, {1, LinkType::kWindow, 0, 3, 0, Limit(8)});
    hub.shim->Send(EncodeStreamAt(StreamKind::kStdin, 0, "1234", true));
    hub.world->Run();
    const auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].payload == "1234");
    CHECK(heard[0].flags == kLinkEnd);
    hub.Reply(id);
    CHECK(hub.Heard(hub.io).size() == 2);
}

TEST_CASE("the end of standard input that comes before the process is not forgotten") {
    LinkHub hub;
    hub.Register();
    hub.Connect();
    hub.shim->Send(EncodeStreamAt(StreamKind::kStdin, 0, "", true));
    hub.world->Run();
    CHECK(hub.Heard(hub.io).empty());
    hub.Hyper(hub.runtime);
    hub.Reply(hub.Request().stream);
    const auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 3);
    CHECK(heard[2].type == LinkType::kData);
    CHECK(heard[2].flags == kLinkEnd);
}

TEST_CASE("a version 3 shim that comes back goes on where it says it is") {
    LinkHub hub;
    hub.Start();
    hub.Output(0, "abcdef");
    hub.Heard(hub.io);
    hub.shim->Close();
    hub.world->Run();
    hub.Output(6, "lost on the way");
    hub.Say(hub.io, {1, LinkType::kWindow, 0, 3, 2, Limit(20)});
    const auto answer = hub.Connect(4);
    CHECK_FALSE(answer.error);
    const auto connected = ParseShimConnected(answer.payload);
    REQUIRE(connected);
    CHECK(connected->standard_input.offset == 2);
    CHECK(connected->standard_input.limit == 20);
    const auto windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 2);
    CHECK(windows[0].flags == kLinkRewind);
    CHECK(windows[0].offset == 4);
    hub.Output(4, "efghij");
    const auto heard = LinkHub::Heard3(hub.shim);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].offset == 4);
    CHECK(heard[0].payload == "efghij");
}

TEST_CASE("a version 2 shim gets plain frames, and the agent hears what its socket has taken") {
    LinkHub hub;
    hub.Start(kClientVersion2);
    auto windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 2);
    CHECK(LimitOf(windows[0]) == kStreamWindow);
    hub.shim->reads = false;
    const std::string piece(kMaxLinkData, 'a');
    static_assert(2 * kMaxLinkData == kAcknowledgeAfter);
    hub.Output(0, piece);
    hub.Output(kMaxLinkData, piece);
    CHECK(hub.Heard(hub.io).empty());
    hub.shim->reads = true;
    hub.world->Run();
    windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].offset == kAcknowledgeAfter);
    CHECK(LimitOf(windows[0]) == kAcknowledgeAfter + kStreamWindow);
    const char end[] = {'\x07', '\x00'};
    hub.Say(hub.io, {1, LinkType::kExit, kLinkEarly, 3, 0, {end, 2}});
    hub.Say(hub.io, {1, LinkType::kExit, 0, 3, 0, {end, 2}});
    const std::string frame = EncodeStream(StreamKind::kStdout, piece);
    CHECK(hub.shim->Take() == frame + frame + EncodeProcessExited(7));
}

TEST_CASE(
    "little that a version 2 shim has taken is told to the agent later, once, or at its end") {
    LinkHub hub;
    hub.Start(kClientVersion2);
    hub.Heard(hub.io);
    hub.Output(0, "abc");
    hub.Output(3, "def");
    hub.Say(hub.io, {hub.epoch, LinkType::kData, 0, 4, 0, "oops"});
    CHECK(hub.Heard(hub.io).empty());
    hub.world->Pass(kAcknowledgeWithin);
    auto windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 2);
    CHECK(windows[0].offset == 6);
    CHECK(windows[1].stream == 4);
    CHECK(windows[1].offset == 4);
    hub.Output(6, "g");
    hub.Output(7, "", kLinkEnd);
    windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].offset == 7);
    hub.world->Pass(kAcknowledgeWithin);
    CHECK(hub.Heard(hub.io).empty());
}

TEST_CASE("what a version 2 shim had taken when it dropped its connection does not come again") {
    LinkHub hub;
    hub.Start(kClientVersion2);
    hub.Output(0, "abc");
    hub.Heard(hub.io);
    hub.shim->Close();
    hub.world->Run();
    CHECK(hub.Heard(hub.io).at(0).offset == 3);
    hub.shim = hub.world->NewClient();
    hub.shim->Send(EncodeCommand(ClientCommand::kConnectShim, Encode(ConnectShim{hub.token})));
    hub.world->Run();
    const auto windows = hub.Heard(hub.io);
    REQUIRE(windows.size() == 2);
    CHECK(windows[0].flags == kLinkRewind);
    CHECK(windows[0].offset == 3);
}

TEST_CASE("a version 2 shim's input waits for the agent's window") {
    LinkHub hub;
    hub.Start(kClientVersion2);
    hub.Heard(hub.io);
    hub.shim->Send(EncodeStream(StreamKind::kStdin, "123456") +
                   EncodeStream(StreamKind::kStdin, ""));
    hub.world->Run();
    CHECK(hub.Heard(hub.io).empty());
    hub.Say(hub.io, {1, LinkType::kWindow, 0, 3, 0, Limit(4)});
    auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].payload == "1234");
    hub.Say(hub.io, {1, LinkType::kWindow, 0, 3, 4, Limit(8)});
    heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].payload == "56");
    CHECK(heard[0].offset == 4);
    CHECK(heard[1].flags == kLinkEnd);
    CHECK(heard[1].offset == 6);
    // Counted once, though it came in two goes.
    const auto counters = hub.world->router.TakeSnapshot().vms.at(0).sessions.at(0).counters;
    CHECK(counters.in.bytes == 6);
    CHECK(counters.stdin_stalls == 1);
}

TEST_CASE("version 3 is refused as by a 3.0 proxy where the agent has no offsets") {
    Hub hub;
    hub.Register(kPlainExtension);
    const std::string token = hub.Token();
    const auto shim = hub.world.NewClient();
    shim->Send(EncodeCommand(ClientCommand::kConnectShim,
                             Encode(ConnectShim{token, {}, {}}, kClientVersion3), kClientVersion3));
    hub.world.Run();
    CHECK(shim->closed);
    CHECK(shim->received.empty());
    CHECK_NOTHROW(hub.Shim(token));
}

TEST_CASE("Hello says what this proxy can do, and errors of version 3 have a code") {
    LinkHub hub;
    hub.Register();
    const auto client = hub.world->NewClient();
    client->Send(
        EncodeCommand(ClientCommand::kHello, Encode(Hello{"test", "1", {}}), kClientVersion3) +
        EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{"nope", 0}, kClientVersion3),
                      kClientVersion3));
    hub.world->Run();
    const auto heard = LinkHub::Heard3(client);
    REQUIRE(heard.size() == 2);
    const auto hello = ParseHello(heard[0].payload);
    REQUIRE(hello);
    CHECK(hello->program == "cc-proxy");
    CHECK(hello->capabilities ==
          std::vector<std::string>{"window", "resume", "request-id", "connection"});
    CHECK(heard[1].error);
    CHECK(ParseError(heard[1].payload, kClientVersion3).code == ErrorCode::kUnknownVm);
    CHECK(ParseError(heard[1].payload, kClientVersion3).message == "unknown containerID: nope");
}

TEST_CASE("DisconnectShim lets the agent forget the session") {
    LinkHub hub;
    hub.Start();
    hub.Heard(hub.io);
    hub.shim->Send(EncodeCommand(ClientCommand::kDisconnectShim, "", kClientVersion3));
    hub.world->Run();
    const auto heard = hub.Heard(hub.io);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].type == LinkType::kForget);
    CHECK(heard[0].stream == 3);
}

TEST_CASE("a shim that opens windows and does not read is closed") {
    LinkHub hub;
    hub.Register();
    hub.Connect(0, uint64_t{1} << 40);
    hub.Hyper(hub.runtime);
    hub.Reply(hub.Request().stream);
    hub.shim->reads = false;
    for (uint64_t offset = 0; offset <= 2 * kMaxClientQueue; offset += kMaxLinkData)
        hub.Output(offset, std::string(kMaxLinkData, 'x'));
    hub.world->Pass(kLinger);
    CHECK(hub.shim->closed);
}

}  // namespace cc::proxy

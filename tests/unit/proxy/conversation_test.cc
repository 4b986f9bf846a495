// SPDX-License-Identifier: Apache-2.0
// The two conversations that docs/protocol.md shows byte for byte: had with the router, in version
// 2 with a 3.0 agent and in version 3 with one of ours, written down and compared.
#include <algorithm>

#include "tests/data.h"
#include "tests/unit/proxy/link_hub.h"

namespace cc::proxy {
namespace {

constexpr size_t kBytesInLine = 16;
constexpr const char* kIndent = "    ";

std::string HexPairs(std::string_view bytes) {
    std::string text;
    for (const char c : bytes)
        text += Cat(text.empty() ? "" : " ", HexEncode({&c, 1}));
    return text;
}

bool IsShown(char c) {
    return c >= ' ' && c <= '~';
}

// Lines of bytes with what is text in them beside.
std::string DumpLines(std::string_view bytes) {
    std::string lines;
    for (size_t at = 0; at < bytes.size(); at += kBytesInLine) {
        const std::string_view part = bytes.substr(at, kBytesInLine);
        std::string text(part);
        std::ranges::replace_if(
            text, [](char c) { return !IsShown(c); }, '.');
        std::string hex = HexPairs(part);
        hex.resize(3 * kBytesInLine - 1, ' ');
        lines += Cat(kIndent, hex, "   ", text, "\n");
    }
    return lines;
}

// A conversation as the documentation has it: a line that says who and what, then header and
// payload.
struct Transcript {
    std::string text;

    void Add(std::string_view who, std::string_view what, std::string_view frame) {
        REQUIRE(frame.size() >= kClientHeaderSize);
        const size_t header = 4 * static_cast<size_t>(frame[2]);
        const std::string_view payload = frame.substr(header);
        REQUIRE(payload.size() == LoadBigEndian<4>(frame, 8));
        text += Cat(kIndent, who, ": ", what, "\n");
        std::string line = Cat(kIndent, HexPairs(frame.substr(0, kClientHeaderSize)));
        if (header > kClientHeaderSize)
            line += Cat("   ", HexPairs(frame.substr(kClientHeaderSize, 8)));
        const bool json = payload.starts_with('{');
        const bool packed = frame[1] == kClientVersion3 && header == kClientHeaderSize;
        if (!payload.empty() && !packed)
            line += Cat("   ", json ? std::string(payload) : HexPairs(payload));
        text += Cat(line, "\n", packed ? DumpLines(payload) : "");
    }
    void Sent(const PeerPtr& peer, std::string_view who, std::string_view what,
              std::string_view frame) {
        Add(Cat(who, " → proxy"), what, frame);
        peer->Send(frame);
    }
    // The one frame that this peer has been sent.
    void Got(const PeerPtr& peer, std::string_view who, std::string_view what) {
        Add(Cat("proxy → ", who), what, peer->Take());
    }
    void CheckDocumented() const {
        const auto page = ReadFile(test::TestData("../../docs/protocol.md"), 1 << 20);
        REQUIRE_MESSAGE(page, page.error().message);
        // What is to stand there when the wire has changed on purpose.
        CHECK_MESSAGE(page->find(text) != std::string::npos,
                      "docs/protocol.md does not show this conversation:\n", text);
    }
};

const std::string kSoleToken = std::string(43, 'A') + "=";
const std::string kCatProcess = R"({"id":"web","process":{"args":["cat"]}})";

}  // namespace

TEST_CASE("the conversation in version 2 that the documentation shows is the one that is had") {
    Hub hub;
    MemoryWorld& world = hub.world;
    world.tokens = {kSoleToken};
    world.listeners = {{"/ctl", 0}, {"/io", 0}};
    Transcript words;
    const auto runtime = world.NewClient();
    const auto shim = world.NewClient();
    const auto ask = [&](const PeerPtr& peer, std::string_view who, std::string_view what,
                         ClientCommand command, std::string_view payload) {
        words.Sent(peer, who, what, EncodeCommand(command, payload));
        world.Run();
    };
    ask(runtime, "runtime", "RegisterVM", ClientCommand::kRegisterVm,
        Encode(RegisterVm{"web", "/ctl", "/io", "", 0}));
    hub.control = world.agents.at("/ctl");
    hub.io = world.agents.at("/io");
    hub.control->Send(EncodeControl(ControlCode::kReady, ""));
    world.Run();
    words.Got(runtime, "runtime", "the agent is ready, no token was asked for");
    ask(runtime, "runtime", "AttachVM, for one process to come", ClientCommand::kAttachVm,
        Encode(AttachVm{"web", 1}));
    words.Got(runtime, "runtime", "its token");
    ask(shim, "shim", "ConnectShim", ClientCommand::kConnectShim, Encode(ConnectShim{kSoleToken}));
    words.Got(shim, "shim", "it has the process");
    ask(runtime, "runtime", "Hyper, with a command that starts the process", ClientCommand::kHyper,
        Encode(HyperMessage{"newcontainer", {kSoleToken}, kCatProcess}));
    CHECK(hub.Command().first == ControlCode::kNewContainer);
    hub.Ack();
    words.Got(runtime, "runtime", "the agent's ACK, which says nothing");
    words.Sent(shim, "shim", "stdin", EncodeStream(StreamKind::kStdin, "hi\n"));
    world.Run();
    CHECK(hub.io->Take() == EncodeIo(3, "hi\n"));
    hub.Output(3, "hi\n");
    words.Got(shim, "shim", "stdout");
    hub.Output(4, "cat: oh\n");
    words.Got(shim, "shim", "stderr");
    ask(shim, "shim", "Signal, the terminal's size", ClientCommand::kSignal,
        Encode(SignalMessage{28, 80, 24}));
    CHECK(hub.Command().first == ControlCode::kWinSize);
    hub.Ack();
    words.Got(shim, "shim", "the agent has it");
    words.Sent(shim, "shim", "the end of stdin", EncodeStream(StreamKind::kStdin, ""));
    world.Run();
    CHECK(hub.io->Take() == EncodeIo(3, ""));
    hub.Output(3, "");
    hub.Output(3, std::string(1, '\0'));
    words.Got(shim, "shim", "ProcessExited, with 0");
    words.Sent(shim, "shim", "DisconnectShim, whose answer is that the connection is closed",
               EncodeCommand(ClientCommand::kDisconnectShim, ""));
    world.Run();
    CHECK(shim->closed);
    CHECK(shim->Take() == "");
    ask(runtime, "runtime", "Hyper, with a command that there is not", ClientCommand::kHyper,
        Encode(HyperMessage{"dance", {}, ""}));
    words.Got(runtime, "runtime", "an error");
    ask(runtime, "runtime", "UnregisterVM", ClientCommand::kUnregisterVm,
        Encode(UnregisterVm{"web"}));
    words.Got(runtime, "runtime", "the name is free");
    words.CheckDocumented();
}

TEST_CASE("the conversation in version 3 that the documentation shows is the one that is had") {
    LinkHub hub;
    MemoryWorld& world = *hub.world;
    world.listeners = {{"/ctl", 0}, {"/io", 0}};
    Transcript words;
    const auto runtime = world.NewClient();
    const auto shim = world.NewClient();
    constexpr uint16_t k3 = kClientVersion3;
    constexpr uint64_t kWide = 256 * 1024;
    const auto ask = [&](const PeerPtr& peer, std::string_view who, std::string_view what,
                         ClientCommand command, std::string_view payload) {
        words.Sent(peer, who, what, EncodeCommand(command, payload, k3));
        world.Run();
    };
    ask(runtime, "runtime", "Hello, which may be left out", ClientCommand::kHello,
        Encode(Hello{"example", "1", {}}));
    words.Got(runtime, "runtime", "who the proxy is, and what it can");
    ask(runtime, "runtime", "RegisterVM", ClientCommand::kRegisterVm,
        Encode(RegisterVm{"web", "/ctl", "/io", "", 0}, k3));
    hub.control = world.agents.at("/ctl");
    hub.io = world.agents.at("/io");
    hub.control->Send(EncodeControl(ControlCode::kReady, Encode(ReadyOffer{2, 1180, 1195})));
    world.Run();
    ControlDecoder plain;
    plain.Push(hub.control->Take());
    hub.marker = ParseVersionAccept(plain.Next().value()->payload).value().marker;
    hub.control->Send(EncodeControl(ControlCode::kAck, ""));
    world.Run();
    hub.AnswerHello();
    words.Got(runtime, "runtime", "the agent is ready, with extension 2");
    world.tokens = {kSoleToken};  // the marker was the first one
    ask(runtime, "runtime", "AttachVM, for one process to come", ClientCommand::kAttachVm,
        Encode(AttachVm{"web", 1}, k3));
    words.Got(runtime, "runtime", "its token");
    ask(shim, "shim", "ConnectShim: it has no output yet, and takes 256 KiB of each",
        ClientCommand::kConnectShim, Encode(ConnectShim{kSoleToken, {0, kWide}, {0, kWide}}, k3));
    words.Got(shim, "shim", "it has the process, which takes no input yet");
    ask(runtime, "runtime", "Hyper with request id 7", ClientCommand::kHyper,
        Encode(HyperMessage{"newcontainer", {kSoleToken}, kCatProcess, 7}, k3));
    hub.Reply(hub.Request().stream);
    words.Got(runtime, "runtime", "the agent's ACK, which says nothing");
    std::string limit;
    AppendBigEndian<8>(limit, kWide);
    CHECK(hub.Heard(hub.io).size() == 2);  // the shim's windows
    hub.Say(hub.io, {hub.epoch, LinkType::kWindow, 0, 3, 0, limit});
    words.Got(shim, "shim", "Window: the process takes 256 KiB of input");
    words.Sent(shim, "shim", "stdin at offset 0, and its end",
               EncodeStreamAt(StreamKind::kStdin, 0, "hi\n", true));
    world.Run();
    hub.Say(hub.io, {hub.epoch, LinkType::kWindow, 0, 3, 3, limit});
    words.Got(shim, "shim", "Window: the process has read the 3 bytes");
    hub.Output(0, "hi\n");
    words.Got(shim, "shim", "stdout at offset 0");
    const std::string end(2, '\0');
    hub.Say(hub.io, {hub.epoch, LinkType::kExit, kLinkEarly, 3, 0, end});
    words.Got(shim, "shim", "ProcessEnded: its status, the ends of its output are to come");
    hub.Output(3, "", kLinkEnd);
    words.Got(shim, "shim", "the end of stdout at offset 3");
    words.Sent(shim, "shim", "Window: all of it is written out",
               EncodeNotification(Notification::kWindow,
                                  Encode(WindowUpdate{StreamKind::kStdout, {3, 3 + kWide}})));
    hub.Say(hub.io, {hub.epoch, LinkType::kData, kLinkEnd, 4, 0, ""});
    words.Got(shim, "shim", "the end of stderr at offset 0");
    hub.Say(hub.io, {hub.epoch, LinkType::kExit, 0, 3, 0, end});
    words.Got(shim, "shim", "ProcessExited");
    words.Sent(shim, "shim", "DisconnectShim, whose answer is that the connection is closed",
               EncodeCommand(ClientCommand::kDisconnectShim, "", k3));
    world.Run();
    CHECK(shim->closed);
    ask(runtime, "runtime", "UnregisterVM, of a VM that there is not", ClientCommand::kUnregisterVm,
        Encode(UnregisterVm{"db"}, k3));
    words.Got(runtime, "runtime", "an error with its code");
    ask(runtime, "runtime", "UnregisterVM", ClientCommand::kUnregisterVm,
        Encode(UnregisterVm{"web"}, k3));
    words.Got(runtime, "runtime", "the name is free");
    words.CheckDocumented();
}

}  // namespace cc::proxy

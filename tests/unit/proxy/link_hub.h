// SPDX-License-Identifier: Apache-2.0
// A router in memory whose VM has an agent with extension 2, and what both sides of it say. The
// "proxy" may die: Die() forgets the router with all its connections, Successor() is the next one,
// which has nothing but the records.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "protocol/link_frame.h"
#include "tests/unit/proxy/hub.h"

namespace cc::proxy {

// A frame that the agent, or a shim of version 3, has received.
struct HeardLink {
    uint32_t epoch = 0;
    LinkType type = LinkType::kHello;
    uint8_t flags = 0;
    uint64_t stream = 0, offset = 0;
    std::string payload;
};
struct HeardFrame {
    FrameType type = FrameType::kCommand;
    uint8_t opcode = 0;
    bool error = false, end = false;
    uint64_t offset = 0;
    std::string payload;
    bool Is(StreamKind kind) const {
        return type == FrameType::kStream && opcode == static_cast<uint8_t>(kind);
    }
    bool Is(Notification kind) const {
        return type == FrameType::kNotification && opcode == static_cast<uint8_t>(kind);
    }
};

struct LinkHub {
    std::unique_ptr<MemoryWorld> world = std::make_unique<MemoryWorld>();
    PeerPtr control, io, runtime, shim;
    std::string marker, token;
    uint32_t epoch = 0;

    void Register(const std::string& console = "") {
        world->listeners["/ctl"] = 0;
        world->listeners["/io"] = 0;
        runtime = world->NewClient();
        runtime->Send(EncodeCommand(ClientCommand::kRegisterVm,
                                    Encode(RegisterVm{"vm0", "/ctl", "/io", console, 1})));
        world->Run();
        control = world->agents.at("/ctl");
        io = world->agents.at("/io");
        control->Send(EncodeControl(ControlCode::kReady, Encode(ReadyOffer{2, 900, 950})));
        world->Run();
        ControlDecoder plain;
        plain.Push(control->Take());
        const auto version = plain.Next();
        REQUIRE(version);
        REQUIRE(*version);
        CHECK((*version)->code == ControlCode::kVersion);
        const auto accept = ParseVersionAccept((*version)->payload);
        REQUIRE(accept);
        CHECK(accept->extension == 2);
        marker = accept->marker;
        control->Send(EncodeControl(ControlCode::kAck, ""));
        world->Run();
        AnswerHello();
        token = ParseIoResponse(Hub::Frame(runtime).payload).value().tokens.at(0);
    }
    // Both ports have been greeted in the same epoch; the agent answers.
    void AnswerHello() {
        const auto hello = Heard(control);
        REQUIRE(hello.size() == 1);
        CHECK(hello[0].type == LinkType::kHello);
        CHECK(Heard(io).at(0).epoch == hello[0].epoch);
        epoch = hello[0].epoch;
        Say(control, {epoch, LinkType::kHello, 0, 0, 0, {}});
        Say(io, {epoch, LinkType::kHello, 0, 0, 0, {}});
    }
    void Say(const PeerPtr& port, const LinkFrame& frame) {
        port->Send(Encode(frame, marker));
        world->Run();
    }
    std::vector<HeardLink> Heard(const PeerPtr& port) {
        LinkDecoder decoder(marker);
        decoder.Push(port->Take());
        std::vector<HeardLink> heard;
        while (const auto frame = decoder.Next())
            heard.push_back({frame->epoch, frame->type, frame->flags, frame->stream, frame->offset,
                             std::string(frame->payload)});
        CHECK(decoder.skipped() == 0);
        return heard;
    }
    static std::vector<HeardFrame> Heard3(const PeerPtr& client) {
        ClientFrameDecoder decoder;
        decoder.Push(client->Take());
        std::vector<HeardFrame> heard;
        while (true) {
            const auto frame = decoder.Next();
            REQUIRE(frame);
            if (!*frame) break;
            heard.push_back({(*frame)->type, (*frame)->opcode, (*frame)->error, (*frame)->end,
                             (*frame)->offset, std::string((*frame)->payload)});
        }
        return heard;
    }
    // A shim of version 3 that has `out` bytes of standard output; what it is answered.
    HeardFrame Connect(uint64_t out = 0, uint64_t limit = 1000) {
        shim = world->NewClient();
        const ConnectShim request{token, {out, out + limit}, {0, limit}};
        shim->Send(EncodeCommand(ClientCommand::kConnectShim, Encode(request, kClientVersion3),
                                 kClientVersion3));
        world->Run();
        const auto heard = Heard3(shim);
        if (heard.empty()) return {};
        return heard.at(0);
    }
    void Hyper(const PeerPtr& client, uint64_t request_id = 0) {
        client->Send(
            EncodeCommand(ClientCommand::kHyper,
                          Encode(HyperMessage{
                              "newcontainer", {token}, R"({"id":"c","process":{}})", request_id})));
        world->Run();
    }
    // The one request that the agent has received.
    HeardLink Request() {
        const auto heard = Heard(control);
        REQUIRE(heard.size() == 1);
        CHECK(heard[0].type == LinkType::kRequest);
        return heard[0];
    }
    void Reply(uint64_t id, std::string_view payload = {}, bool success = true) {
        const auto code = success ? ControlCode::kAck : ControlCode::kError;
        Say(control, {epoch, LinkType::kReply, 0, id, static_cast<uint64_t>(code), payload});
    }
    // A container that runs, with a shim of version 3 or 2.
    void Start(uint16_t version = kClientVersion3, const std::string& console = "") {
        Register(console);
        if (version == kClientVersion3) {
            CHECK_FALSE(Connect().error);
        } else {
            shim = world->NewClient();
            shim->Send(EncodeCommand(ClientCommand::kConnectShim, Encode(ConnectShim{token})));
            world->Run();
            shim->Take();
        }
        Hyper(runtime);
        Reply(Request().stream);
        CHECK_FALSE(Hub::Frame(runtime).error);
    }
    void Output(uint64_t offset, std::string_view bytes, uint8_t flags = 0) {
        Say(io, {epoch, LinkType::kData, flags, 3, offset, bytes});
    }

    // kill -9 of the proxy: nothing is left of it but its records.
    void Die() {
        auto records = world->records;
        auto listeners = world->listeners;
        world = std::make_unique<MemoryWorld>();
        world->records = std::move(records);
        world->listeners = std::move(listeners);
        runtime = shim = control = io = nullptr;
    }
    void Successor() {
        for (const auto& [name, text] : world->records) {
            auto record = ParseVmRecord(text);
            REQUIRE(record);
            record->name = name;
            world->router.Adopt(*record);
        }
        world->Run();
        control = world->agents.at("/ctl");
        io = world->agents.at("/io");
    }
    // The agent names what lives on.
    void Adopt(const std::vector<AgentSession>& sessions) {
        const uint32_t before = epoch;
        AnswerHello();
        CHECK(epoch == before + 1);
        const auto list = Request();
        CHECK(list.offset == static_cast<uint64_t>(ControlCode::kListSessions));
        Reply(list.stream, Encode(sessions));
    }
};

}  // namespace cc::proxy

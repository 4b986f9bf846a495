// SPDX-License-Identifier: Apache-2.0
// A router in memory with one VM, and the words its peers say.
#pragma once

#include <doctest/doctest.h>

#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/client_frame.h"
#include "tests/unit/proxy/memory_world.h"

namespace cc::proxy {

using PeerPtr = MemoryWorld::PeerPtr;

// Our extension without the framing of its second version.
constexpr int kPlainExtension = 1;

// The one frame that a peer has received.
struct OneFrame {
    FrameType type = FrameType::kCommand;
    uint8_t opcode = 0;
    bool error = false;
    std::string payload;
};

struct Hub {
    MemoryWorld world;
    PeerPtr control;
    PeerPtr io;

    // A runtime that has registered "vm0" with an agent of this extension (0: 3.0's).
    PeerPtr Register(int extension = 0, const std::string& id = "vm0") {
        world.listeners["/ctl-" + id] = 0;
        world.listeners["/io-" + id] = 0;
        const auto runtime = world.NewClient();
        runtime->Send(EncodeCommand(ClientCommand::kRegisterVm,
                                    Encode(RegisterVm{id, "/ctl-" + id, "/io-" + id, "", 0})));
        world.Run();
        control = world.agents.at("/ctl-" + id);
        io = world.agents.at("/io-" + id);
        control->Send(EncodeControl(ControlCode::kReady,
                                    extension == 0 ? "" : Encode(ReadyOffer{extension, 900, 950})));
        world.Run();
        if (extension > 0) {
            CHECK(control->Take() ==
                  EncodeControl(ControlCode::kVersion, Encode(VersionAccept{extension})));
            Ack();
        }
        CHECK_FALSE(Frame(runtime).error);
        return runtime;
    }
    void Ack(std::string_view payload = {}) {
        control->Send(EncodeControl(ControlCode::kAck, payload));
        world.Run();
    }
    void Output(uint64_t sequence, std::string_view bytes) {
        io->Send(EncodeIo(sequence, bytes));
        world.Run();
    }
    void Say(const PeerPtr& peer, ClientCommand command, std::string_view payload) {
        peer->Send(EncodeCommand(command, payload));
        world.Run();
    }
    // The error text that a command is answered with, or "" for success.
    std::string Ask(const PeerPtr& peer, ClientCommand command, std::string_view payload) {
        Say(peer, command, payload);
        const OneFrame frame = Frame(peer);
        CHECK(frame.type == FrameType::kResponse);
        CHECK(frame.opcode == static_cast<uint8_t>(command));
        return frame.error ? ParseErrorText(frame.payload) : "";
    }
    std::string Hyper(const std::string& name, const std::vector<std::string>& tokens = {},
                      const std::string& data = {}) {
        return Encode(HyperMessage{name, tokens, data});
    }
    // One token of "vm0", and the connection that asked for it.
    std::string Token(uid_t user = 0, const std::string& id = "vm0") {
        const auto runtime = world.NewClient(user);
        Say(runtime, ClientCommand::kAttachVm, Encode(AttachVm{id, 1}));
        return ParseIoResponse(Frame(runtime).payload).value().tokens.at(0);
    }
    PeerPtr Shim(const std::string& token, uid_t user = 0) {
        const auto shim = world.NewClient(user);
        CHECK(Ask(shim, ClientCommand::kConnectShim, Encode(ConnectShim{token})) == "");
        return shim;
    }
    // Starts a container with this token; the agent agrees.
    void Start(const PeerPtr& runtime, const std::string& token, const std::string& id = "c") {
        Say(runtime, ClientCommand::kHyper,
            Hyper("newcontainer", {token}, Cat(R"({"id":")", id, R"(","process":{}})")));
        control->Take();
        Ack();
        CHECK_FALSE(Frame(runtime).error);
        control->Take();
    }
    void StartExec(const PeerPtr& runtime, const std::string& token) {
        Say(runtime, ClientCommand::kHyper,
            Hyper("execcmd", {token}, R"({"container":"c","process":{}})"));
        control->Take();
        Ack();
        CHECK_FALSE(Frame(runtime).error);
    }
    static OneFrame Frame(const PeerPtr& peer) {
        ClientFrameDecoder decoder;
        decoder.Push(peer->received);
        const auto frame = decoder.Next();
        REQUIRE(frame);
        REQUIRE_MESSAGE(*frame, "nothing has been received");
        const OneFrame copy{(*frame)->type, (*frame)->opcode, (*frame)->error,
                            std::string((*frame)->payload)};
        peer->received.erase(0, peer->received.size() - decoder.buffered());
        return copy;
    }
    // The one command that the agent has received.
    std::pair<ControlCode, std::string> Command() {
        ControlDecoder decoder;
        decoder.Push(control->received);
        const auto message = decoder.Next();
        REQUIRE(message);
        REQUIRE_MESSAGE(*message, "the agent has received no command");
        std::pair<ControlCode, std::string> copy{(*message)->code, (*message)->payload};
        control->received.erase(0, kControlHeaderSize + copy.second.size());
        return copy;
    }
};

}  // namespace cc::proxy

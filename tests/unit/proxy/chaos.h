// SPDX-License-Identifier: Apache-2.0
// Sequences of everything that may happen to the router, chosen by whoever holds the dice: a random
// number generator (chaos_test.cc) or a fuzzer (fuzz/hub.cc). Clients of both versions, agents of
// 3.0 and of both extensions, well-behaved and not, time, and the death of the proxy itself.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/link_frame.h"
#include "tests/unit/proxy/memory_world.h"

namespace cc::proxy {

// One port of an agent, as far as the agent must know the channel to be taken seriously.
struct ChaosAgent {
    std::string marker;
    uint32_t epoch = 0;
    std::vector<std::pair<uint64_t, ControlCode>> asked;  // requests without an answer
    size_t plain_asked = 0;
    std::vector<uint64_t> streams;  // that may be sent
};

// Choices out of bytes, as few of them as each needs, so that a changed byte changes one choice.
class BytesAsDice {
  public:
    explicit BytesAsDice(std::string_view bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    uint64_t Pick(uint64_t below) {
        uint64_t value = 0;
        for (uint64_t range = 1; range < below && !bytes_.empty(); range <<= 8) {
            value = value << 8 | static_cast<unsigned char>(bytes_.front());
            bytes_.remove_prefix(1);
        }
        return value % below;
    }

  private:
    std::string_view bytes_;
};

class Chaos {
  public:
    using Peer = MemoryWorld::PeerPtr;
    using Dice = std::function<uint64_t(uint64_t below)>;
    static constexpr uint64_t kVms = 3;
    // Told what clients receive.
    std::function<void(std::string_view)> on_heard;

    explicit Chaos(Dice dice) : dice_(std::move(dice)) {
        for (uint64_t i = 0; i < kVms; ++i)
            for (const char* port : {"/ctl", "/io"})
                world_->listeners[Cat(port, i)] = 0;
    }

    // One thing happens. Returns what must never be, or nothing.
    std::string Step() {
        Happen();
        world_->Run();
        Hear();
        return Broken();
    }

    // Everybody leaves; VMs stay until they are unregistered. Then nothing may be left.
    std::string End() {
        world_->AllLeave();
        world_->Run();
        world_->Pass(std::chrono::hours(1));
        const auto last = world_->NewClient();
        for (uint64_t i = 0; i < kVms; ++i)
            last->Send(EncodeCommand(ClientCommand::kUnregisterVm, Encode(UnregisterVm{Vm(i)})));
        world_->Run();
        last->Close();
        world_->Run();
        world_->Pass(std::chrono::hours(1));
        const auto counts = world_->router.counts();
        if (counts.clients != 0) return "a client is left";
        if (counts.vms != 0 || counts.registered_vms != 0) return "a VM is left";
        if (counts.tokens != 0) return "a token is left";
        if (world_->router.NextDeadline()) return "a deadline is left";
        if (!world_->records.empty()) return "a record is left";
        return {};
    }

  private:
    struct Client {
        Peer peer;
        uint16_t version;
    };

    void Happen() {
        switch (Pick(21)) {
            case 0:
                return NewClient();
            case 1:
                return Register();
            case 2:
                return Attach();
            case 3:
                return Say(ClientCommand::kUnregisterVm, [&](uint16_t version) {
                    return Encode(UnregisterVm{Vm(Pick(kVms))}, version);
                });
            case 4:
            case 5:
                return Hyper();
            case 6:
            case 7:
                return Say(ClientCommand::kConnectShim, [&](uint16_t version) {
                    return Encode(ConnectShim{AnyToken(), AnyWindow(), AnyWindow()}, version);
                });
            case 8:
                return Say(ClientCommand::kDisconnectShim, [](uint16_t) { return std::string(); });
            case 9:
                return Say(ClientCommand::kSignal, [&](uint16_t version) {
                    return Encode(SignalMessage{static_cast<int64_t>(Pick(32)),
                                                static_cast<int64_t>(Pick(3)), 1},
                                  version);
                });
            case 10:
                return Input();
            case 11:
            case 12:
            case 13:
                return Answer(Pick(kVms));
            case 14:
            case 15:
                return Print();
            case 16:
                return StopOrGoOn();
            case 17:
                return HangUp();
            case 18:
                return RunContainer();
            case 19:
                return world_->Pass(std::chrono::milliseconds(uint64_t{1} << Pick(18)));
            default:
                return Pick(4) == 0 ? Die() : Garbage();
        }
    }

    uint64_t Pick(uint64_t below) { return dice_(below); }
    static std::string Vm(uint64_t i) { return Cat("vm", i); }
    std::string Bytes(uint64_t size) { return std::string(static_cast<size_t>(size), 'x'); }

    // --- clients
    void NewClient() {
        const auto version = Pick(2) == 0 ? kClientVersion2 : kClientVersion3;
        clients_.push_back({world_->NewClient(static_cast<uid_t>(Pick(2))), version});
    }
    Client& AnyClient() {
        if (clients_.empty()) NewClient();
        return clients_[static_cast<size_t>(Pick(clients_.size()))];
    }
    template <class Payload>
    void Say(ClientCommand command, const Payload& payload) {
        const Client& client = AnyClient();
        client.peer->Send(EncodeCommand(command, payload(client.version), client.version));
    }
    std::string AnyToken() {
        const uint64_t kind = tokens_.empty() ? 0 : Pick(40);
        if (kind % 20 == 0) return kind == 0 ? "AAAA" : "";
        return tokens_[static_cast<size_t>(Pick(tokens_.size()))];
    }
    StreamWindow AnyWindow() {
        const uint64_t offset = Pick(100);
        return {offset, offset + (uint64_t{1} << Pick(24))};
    }
    void Register() {
        const uint64_t i = Pick(kVms);
        Say(ClientCommand::kRegisterVm, [&](uint16_t version) {
            return Encode(
                RegisterVm{Vm(i), Cat("/ctl", i), Cat("/io", i), "", static_cast<int64_t>(Pick(3))},
                version);
        });
    }
    // Half of them bring the connection of the shim to be.
    void Attach() {
        const Client client = AnyClient();
        AttachVm message{Vm(Pick(kVms))};
        const uint64_t kind = Pick(6);
        message.num_io_streams = static_cast<int64_t>(kind % 3);
        message.connection = kind >= 3;
        if (message.connection)
            client.peer->SendDescriptor(std::move(MakeSocketPair(SOCK_STREAM)->first));
        client.peer->Send(EncodeCommand(ClientCommand::kAttachVm, Encode(message, client.version),
                                        client.version));
    }
    void Hyper() {
        static constexpr std::array names{"ping", "newcontainer", "execcmd", "bogus"};
        HyperMessage message;
        message.hyper_name = names[static_cast<size_t>(Pick(names.size()))];
        // Mostly what a runtime sends; else what 3.0's proxy could not take.
        struct Kind {
            size_t tokens;
            bool process, huge;
        };
        static constexpr std::array kinds{
            Kind{0, true, false}, Kind{1, true, false},  Kind{1, true, false}, Kind{1, true, false},
            Kind{2, true, false}, Kind{1, false, false}, Kind{0, true, true},  Kind{1, true, true}};
        const Kind kind = kinds[static_cast<size_t>(Pick(kinds.size()))];
        for (size_t i = 0; i < kind.tokens; ++i)
            message.tokens.push_back(AnyToken());
        message.data = kind.process ? R"({"id":"c","container":"c","process":{}})"
                                    : R"({"id":"c","container":"c"})";
        // Beyond what a 3.0 agent takes.
        if (kind.huge)
            message.data.insert(1, Cat(R"("image":")", Bytes(kMaxAgentMessageV3_0), R"(",)"));
        message.request_id = Pick(4);
        Say(ClientCommand::kHyper, [&](uint16_t version) { return Encode(message, version); });
    }
    void Input() {
        const Client& client = AnyClient();
        const std::string bytes = Bytes(Pick(3) == 0 ? 0 : Pick(kMaxStreamPayload));
        if (client.version == kClientVersion2)
            return client.peer->Send(EncodeStream(StreamKind::kStdin, bytes));
        if (Pick(2) == 0) {
            const uint64_t offset = Pick(200);
            const bool end = Pick(4) == 0;
            return client.peer->Send(EncodeStreamAt(StreamKind::kStdin, offset, bytes, end));
        }
        const auto stream = static_cast<StreamKind>(Pick(3));
        client.peer->Send(
            EncodeNotification(Notification::kWindow, Encode(WindowUpdate{stream, AnyWindow()})));
    }

    // What seldom comes about by chance: a VM that runs, a container in it, its shim.
    void RunContainer() {
        const uint64_t i = Pick(kVms);
        const auto version = Pick(2) == 0 ? kClientVersion2 : kClientVersion3;
        const Client runtime{world_->NewClient(), version};
        clients_.push_back(runtime);
        runtime.peer->Send(EncodeCommand(
            ClientCommand::kRegisterVm,
            Encode(RegisterVm{Vm(i), Cat("/ctl", i), Cat("/io", i), "", 0}, version), version));
        for (int answers = 0; answers < 3; ++answers) {
            Settle();
            Answer(i);
        }
        Settle();
        tokens_.clear();
        runtime.peer->Send(
            EncodeCommand(ClientCommand::kAttachVm, Encode(AttachVm{Vm(i), 1}, version), version));
        Settle();
        const Client shim{world_->NewClient(), version};
        clients_.push_back(shim);
        shim.peer->Send(EncodeCommand(
            ClientCommand::kConnectShim,
            Encode(ConnectShim{AnyToken(), {0, 1 << 20}, {0, 1 << 20}}, version), version));
        Settle();
        const HyperMessage start{"newcontainer", {AnyToken()}, R"({"id":"c","process":{}})", 1};
        runtime.peer->Send(EncodeCommand(ClientCommand::kHyper, Encode(start, version), version));
        Settle();
        Answer(i);
    }
    void Settle() {
        world_->Run();
        Hear();
    }

    // --- agents
    Peer Port(const char* port, uint64_t i) {
        const auto found = world_->agents.find(Cat(port, i));
        return found == world_->agents.end() || found->second->closed ? nullptr : found->second;
    }
    Peer AnyPort() {
        const char* port = Pick(2) == 0 ? "/ctl" : "/io";
        return Port(port, Pick(kVms));
    }
    // The agent of a VM says what is due on its control port: READY, or an answer.
    void Answer(uint64_t i) {
        ChaosAgent& agent = agents_[i];
        const Peer control = Port("/ctl", i);
        if (!control) return;
        if (!agent.asked.empty()) {
            const auto [id, code] = agent.asked.back();
            agent.asked.pop_back();
            const bool lists = code == ControlCode::kListSessions;
            const auto answer = Pick(4) > 0 ? ControlCode::kAck : ControlCode::kError;
            return control->Send(
                Encode(LinkFrame{agent.epoch, LinkType::kReply, 0, id,
                                 static_cast<uint64_t>(answer), lists ? Sessions() : std::string()},
                       agent.marker));
        }
        if (agent.plain_asked > 0) {
            --agent.plain_asked;
            const auto code = Pick(8) > 0 ? ControlCode::kAck : ControlCode::kError;
            return control->Send(EncodeControl(code, ""));
        }
        const auto extension = static_cast<int>(Pick(kAgentExtension + 1));
        control->Send(EncodeControl(ControlCode::kReady,
                                    extension > 0 ? Encode(ReadyOffer{extension, 1, 2}) : ""));
    }
    std::string Sessions() {
        std::vector<AgentSession> sessions;
        for (uint64_t base = 1; base < 12; base += 2)
            if (Pick(2) == 0) sessions.push_back({base, Pick(100), Pick(100), 1000, Pick(9), 0});
        return Encode(sessions);
    }
    void Print() {
        const uint64_t i = Pick(kVms);
        const ChaosAgent& agent = agents_[i];
        const Peer io = Port("/io", i);
        if (!io) return;
        const bool known = !agent.streams.empty() && Pick(4) > 0;
        const uint64_t sequence =
            known ? agent.streams[static_cast<size_t>(Pick(agent.streams.size()))] : Pick(12);
        const std::string bytes = Bytes(Pick(3) == 0 ? Pick(3) : Pick(60000));
        if (agent.marker.empty()) return io->Send(EncodeIo(sequence, bytes));
        static constexpr std::array types{LinkType::kData, LinkType::kData, LinkType::kData,
                                          LinkType::kWindow, LinkType::kExit};
        LinkFrame frame{agent.epoch,
                        types[static_cast<size_t>(Pick(types.size()))],
                        static_cast<uint8_t>(Pick(8)),
                        sequence,
                        Pick(120),
                        bytes};
        if (frame.type == LinkType::kWindow)
            frame.payload = std::string_view("\0\0\0\0\0\1\0\0", 8);
        if (frame.type == LinkType::kExit) frame.payload = std::string_view("\x07\0", 2);
        io->Send(Encode(frame, agent.marker));
    }

    // --- both
    void StopOrGoOn() {
        const Peer peer = Pick(2) == 0 ? AnyClient().peer : Port("/io", Pick(kVms));
        if (peer) peer->reads = !peer->reads;
    }
    void HangUp() {
        if (Pick(4) > 0) return AnyClient().peer->Close();
        const Peer port = AnyPort();
        if (port) port->Close();
    }
    void Garbage() {
        std::string bytes(static_cast<size_t>(Pick(60)), '\0');
        for (char& c : bytes)
            c = static_cast<char>(Pick(256));
        if (Pick(4) > 0) return AnyClient().peer->Send(bytes);
        const Peer port = AnyPort();
        if (port) port->Send(bytes);
    }
    // kill -9, and the next proxy with nothing but the records.
    void Die() {
        auto next = std::make_unique<MemoryWorld>();
        next->records = world_->records;
        next->listeners = world_->listeners;
        clients_.clear();
        world_ = std::move(next);
        for (auto& [i, agent] : agents_)
            agent.asked.clear();
        for (const auto& [name, text] : std::map(world_->records)) {
            auto record = ParseVmRecord(text);
            if (!record) {
                unreadable_ = true;
                continue;
            }
            record->name = name;
            world_->router.Adopt(*record);
        }
    }

    // What the peers have been told: tokens, requests, Hello.
    void Hear() {
        if (world_->passed)
            clients_.push_back({std::exchange(world_->passed, nullptr), kClientVersion3});
        for (const auto& client : clients_) {
            FindTokens(client.peer->received);
            if (on_heard) on_heard(client.peer->received);
            client.peer->received.clear();
        }
        std::erase_if(clients_, [](const Client& client) { return client.peer->closed; });
        for (uint64_t i = 0; i < kVms; ++i) {
            if (const Peer control = Port("/ctl", i)) HearControl(agents_[i], control);
            if (const Peer io = Port("/io", i)) HearIo(agents_[i], io);
        }
        world_->Prune();
    }
    // Base64 of 44 characters, in JSON as in MessagePack.
    void FindTokens(const std::string& text) {
        for (size_t at = text.find('='); at != std::string::npos; at = text.find('=', at + 1)) {
            if (at < 43) continue;
            std::string token = text.substr(at - 43, 44);
            if (IsWellFormedToken(token)) tokens_.push_back(std::move(token));
        }
        if (tokens_.size() > 40) tokens_.erase(tokens_.begin(), tokens_.end() - 40);
    }
    void HearControl(ChaosAgent& agent, const Peer& control) {
        const std::string bytes = control->Take();
        LinkDecoder link(agent.marker);
        link.Push(bytes);
        bool framed = false;
        while (const auto frame = link.Next()) {
            framed = true;
            if (frame->type == LinkType::kHello) Greet(agent, control, *frame);
            if (frame->type == LinkType::kRequest)
                agent.asked.emplace_back(frame->stream, static_cast<ControlCode>(frame->offset));
        }
        if (framed) return;
        ControlDecoder plain;
        plain.Push(bytes);
        while (true) {
            const auto message = plain.Next();
            if (!message || !*message) return;
            ++agent.plain_asked;
            agent.marker.clear();
            const auto accept = (*message)->code == ControlCode::kVersion
                                    ? ParseVersionAccept((*message)->payload)
                                    : Result<VersionAccept>(Fail(""));
            if (accept && !accept->marker.empty()) agent.marker = accept->marker;
        }
    }
    void HearIo(ChaosAgent& agent, const Peer& io) {
        LinkDecoder link(agent.marker);
        link.Push(io->Take());
        while (const auto frame = link.Next()) {
            if (frame->type == LinkType::kHello) Greet(agent, io, *frame);
            if (frame->type == LinkType::kWindow) agent.streams.push_back(frame->stream);
        }
    }
    static void Greet(ChaosAgent& agent, const Peer& port, const LinkFrame& hello) {
        agent.epoch = hello.epoch;
        agent.plain_asked = 0;
        port->Send(Encode(LinkFrame{hello.epoch, LinkType::kHello, 0, 0, 0, {}}, agent.marker));
    }

    std::string Broken() {
        for (const auto& client : clients_)
            if (client.peer->unread.size() >= 2 * kMaxClientQueue)
                return "a client's queue is long";
        for (const auto& [path, agent] : world_->agents)
            if (agent->unread.size() >= kMaxControlQueue + 2 * kMaxClientQueue)
                return "an agent's queue is long";
        const auto counts = world_->router.counts();
        if (counts.registered_vms > counts.vms) return "a registered VM is no VM";
        if (counts.clients < clients_.size()) return "an open client is not counted";
        if (counts.vms == 0 && counts.tokens > 0) return "a token outlives its VM";
        if (unreadable_) return "a record cannot be read";
        return {};
    }

    std::unique_ptr<MemoryWorld> world_ = std::make_unique<MemoryWorld>();
    Dice dice_;
    std::vector<Client> clients_;
    std::vector<std::string> tokens_;
    std::map<uint64_t, ChaosAgent> agents_;
    bool unreadable_ = false;
};

}  // namespace cc::proxy

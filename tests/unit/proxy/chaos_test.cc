// SPDX-License-Identifier: Apache-2.0
// Sequences of everything that may happen, in any order, from a fixed seed: nothing may crash, no
// bound may be passed, and when all have gone nothing may be left.
#include <random>

#include "tests/unit/proxy/hub.h"

namespace cc::proxy {
namespace {

class Chaos {
  public:
    explicit Chaos(unsigned seed) : random_(seed) {
        for (int i = 0; i < 4; ++i)
            for (const char* port : {"/ctl", "/io"})
                world_.listeners[Cat(port, i)] = 0;
    }

    void Step() {
        switch (Pick(16)) {
            case 0:
                clients_.push_back(world_.NewClient(static_cast<uid_t>(Pick(2))));
                break;
            case 1:
                Command(ClientCommand::kRegisterVm, RegisterRequest());
                break;
            case 2:
                Command(ClientCommand::kAttachVm, Encode(AttachVm{VmName(), Pick(3)}));
                break;
            case 3:
                Command(ClientCommand::kUnregisterVm, Encode(UnregisterVm{VmName()}));
                break;
            case 4:
                Command(ClientCommand::kHyper, HyperRequest());
                break;
            case 5:
                Command(ClientCommand::kConnectShim, Encode(ConnectShim{AnyToken()}));
                break;
            case 6:
                Command(ClientCommand::kDisconnectShim, "");
                break;
            case 7:
                Command(ClientCommand::kSignal, Encode(SignalMessage{Pick(32), Pick(3), 1}));
                break;
            case 8:
                Stdin();
                break;
            case 9:
                AgentSays();
                break;
            case 10:
                AgentSays();
                break;
            case 11:
                AgentPrints();
                break;
            case 12:
                Toggle();
                break;
            case 13:
                HangUp();
                break;
            case 14:
                world_.Pass(std::chrono::milliseconds(1 << Pick(18)));
                break;
            case 15:
                Garbage();
                break;
            default:
                break;
        }
        world_.Run();
        Collect();
        Check();
    }

    // Everybody leaves; only lost or registered VMs may stay, until they are unregistered.
    void End() {
        for (const auto& client : clients_)
            client->Close();
        for (const auto& client : clients_)
            client->reads = true;
        for (const auto& [path, agent] : world_.agents)
            agent->Close();
        world_.Run();
        world_.Pass(std::chrono::hours(1));
        CHECK(world_.router.counts().clients == 0);
        const auto last = world_.NewClient();
        for (int i = 0; i < 4; ++i)
            last->Send(
                EncodeCommand(ClientCommand::kUnregisterVm, Encode(UnregisterVm{Cat("vm", i)})));
        world_.Run();
        last->Close();
        world_.Run();
        const auto counts = world_.router.counts();
        CHECK(counts.clients == 0);
        CHECK(counts.vms == 0);
        CHECK(counts.registered_vms == 0);
        CHECK(counts.tokens == 0);
        CHECK_FALSE(world_.router.NextDeadline());
    }

  private:
    int64_t Pick(int64_t below) {
        return std::uniform_int_distribution<int64_t>(0, below - 1)(random_);
    }
    std::string VmName() { return Cat("vm", Pick(4)); }
    PeerPtr AnyClient() {
        if (clients_.empty()) clients_.push_back(world_.NewClient());
        return clients_[static_cast<size_t>(Pick(static_cast<int64_t>(clients_.size())))];
    }
    std::string AnyToken() {
        if (tokens_.empty() || Pick(20) == 0) return "AAAA";
        return tokens_[static_cast<size_t>(Pick(static_cast<int64_t>(tokens_.size())))];
    }
    PeerPtr AnyAgent(const char* port) {
        const auto found = world_.agents.find(Cat(port, Pick(4)));
        return found == world_.agents.end() ? nullptr : found->second;
    }
    void Command(ClientCommand command, const std::string& payload) {
        AnyClient()->Send(EncodeCommand(command, payload));
    }
    std::string RegisterRequest() {
        const int64_t i = Pick(4);
        return Encode(RegisterVm{Cat("vm", i), Cat("/ctl", i), Cat("/io", i), "", Pick(3)});
    }
    std::string HyperRequest() {
        static const std::vector<std::string> names{"ping", "newcontainer", "execcmd", "bogus"};
        const auto& name = names[static_cast<size_t>(Pick(4))];
        std::vector<std::string> tokens;
        if (Pick(4) > 0) tokens.push_back(AnyToken());
        return Encode(HyperMessage{name, tokens, R"({"id":"c","container":"c","process":{}})"});
    }
    void Stdin() {
        AnyClient()->Send(EncodeStream(
            StreamKind::kStdin, std::string(static_cast<size_t>(Pick(kMaxStreamPayload)), 'x')));
    }
    void AgentSays() {
        const auto agent = AnyAgent("/ctl");
        if (!agent) return;
        static const std::vector<ControlCode> codes{ControlCode::kReady, ControlCode::kAck,
                                                    ControlCode::kAck, ControlCode::kError};
        const ControlCode code = codes[static_cast<size_t>(Pick(4))];
        const bool offers = code == ControlCode::kReady && Pick(2) == 0;
        // Mostly as an agent would: an answer only to a question.
        const bool asked = !agent->received.empty() || code == ControlCode::kReady;
        if (!asked && Pick(20) > 0) return;
        agent->received.clear();
        agent->Send(EncodeControl(code, offers ? Encode(ReadyOffer{1, 1, 2}) : ""));
    }
    void AgentPrints() {
        const auto agent = AnyAgent("/io");
        if (!agent) return;
        const auto size = static_cast<size_t>(Pick(3) == 0 ? Pick(2) : Pick(60000));
        agent->Send(EncodeIo(static_cast<uint64_t>(Pick(40)), std::string(size, 'y')));
    }
    void Toggle() {
        const auto peer = Pick(2) == 0 ? AnyClient() : AnyAgent("/io");
        if (peer) peer->reads = !peer->reads;
    }
    void HangUp() {
        if (Pick(4) > 0) return AnyClient()->Close();
        const auto agent = AnyAgent(Pick(2) == 0 ? "/ctl" : "/io");
        if (agent) agent->Close();
    }
    void Garbage() {
        std::string bytes(static_cast<size_t>(Pick(40)), '\0');
        for (char& c : bytes)
            c = static_cast<char>(Pick(256));
        if (Pick(4) > 0) return AnyClient()->Send(bytes);
        if (const auto agent = AnyAgent(Pick(2) == 0 ? "/ctl" : "/io")) agent->Send(bytes);
    }

    // Takes tokens out of what clients have been told, and forgets the closed ones.
    void Collect() {
        for (const auto& client : clients_) {
            size_t at = 0;
            while ((at = client->received.find("=\"", at)) != std::string::npos) {
                if (at >= 43) tokens_.push_back(client->received.substr(at - 43, 44));
                ++at;
            }
            client->received.clear();
        }
        if (tokens_.size() > 40) tokens_.erase(tokens_.begin(), tokens_.end() - 40);
        std::erase_if(clients_, [](const PeerPtr& client) { return client->closed; });
        world_.Prune();
    }
    void Check() {
        for (const auto& client : clients_)
            REQUIRE(client->unread.size() < 2 * kMaxClientQueue);
        for (const auto& [path, agent] : world_.agents)
            REQUIRE(agent->unread.size() < 2 * kMaxClientQueue);
        const auto counts = world_.router.counts();
        REQUIRE(counts.registered_vms <= counts.vms);
        REQUIRE(counts.clients >= clients_.size());
    }

    MemoryWorld world_;
    std::mt19937 random_;
    std::vector<PeerPtr> clients_;
    std::vector<std::string> tokens_;
};

TEST_CASE("whatever happens in whatever order, nothing is left in the end") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Chaos chaos(seed);
        for (int i = 0; i < 1500; ++i)
            chaos.Step();
        chaos.End();
    }
}

}  // namespace
}  // namespace cc::proxy

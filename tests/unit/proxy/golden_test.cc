// SPDX-License-Identifier: Apache-2.0
// What was captured from 3.0, played again: the captured clients and agent speak, and our proxy
// must say byte for byte what 3.0's said. With the captured tokens, nothing has to be substituted.
#include "tests/golden.h"

#include <map>

#include "protocol/agent_frame.h"
#include "tests/unit/proxy/memory_world.h"

namespace cc::proxy {
namespace {

using test::GoldenFrame;

// name = NNN_<scene>_<from>-to-<to>_<kind>
struct Line {
    int number;
    std::string scene, from, to, kind;
};

Line ParseName(const std::string& name) {
    const auto parts = Split(name, '_');
    const size_t to = parts.at(2).find("-to-");
    return {ParseNumber<int>(parts[0]).value(), parts[1], parts[2].substr(0, to),
            parts[2].substr(to + 4), parts.at(3)};
}

class Replay {
  public:
    Replay() {
        world_.tokens = {"wkIpkPUA8YOqiYLtlvZZemLba2LIdDh8r7uyL1tMqQE=",
                         "Zi6Zk6USc_Divkx37wfVASGOg1iLQjT7Dzlt83EbF2s=",
                         "xpdlT8vG0CDKj7e7cJujmgHQE41wKI-DLTxobq1_lr8=",
                         "vy50PLH4Jr-focQJ1VYYoNTag9C2GH5Ofl4PyTqwUng=",
                         "IbLb1M98UbVb9tQ-9IijY6uX32YUI1Ry2RcidgoPNZA="};
        for (const char* vm : {"g", "g2", "g3"})
            for (const char* port : {"-hyper.sock", "-tty.sock"})
                world_.listeners[Cat("/run/cc/vms/", vm, port)] = 0;
    }

    void Play(const GoldenFrame& golden) {
        const Line line = ParseName(golden.name);
        if (line.kind == "CLOSE") {
            // A shim whose process has ended is closed by DisconnectShim.
            if (line.from == "proxy") CHECK(ClientOf(line)->closed);
            return;
        }
        if (line.from == "agent")
            AgentOf(line)->Send(golden.bytes);
        else if (line.to == "agent")
            ExpectAgent(line, golden.bytes);
        else if (line.to == "proxy")
            ClientOf(line)->Send(golden.bytes);
        else
            ExpectClient(line, golden.bytes);
        world_.Run();
        // Other VMs than the first have no READY in the capture.
        for (const char* vm : {"g2", "g3"}) {
            const auto found = world_.agents.find(Cat("/run/cc/vms/", vm, "-hyper.sock"));
            if (found == world_.agents.end() || ready_[vm]) continue;
            ready_[vm] = true;
            found->second->Send(EncodeControl(ControlCode::kReady, ""));
            world_.Run();
        }
    }

  private:
    MemoryWorld::PeerPtr AgentOf(const Line& line) {
        const bool io = line.kind.starts_with("io-");
        return world_.agents.at(Cat("/run/cc/vms/g-", io ? "tty" : "hyper", ".sock"));
    }

    // Which of the captured connections a frame belongs to.
    MemoryWorld::PeerPtr ClientOf(const Line& line) {
        const bool from_shim = line.from == "shim" || line.to == "shim";
        std::string name = "runtime";
        if (from_shim && line.number < 84)
            name = "shim-ctr0";
        else if (from_shim && line.number < 111)
            name = "shim-exec";
        else if (from_shim && line.number < 130)
            name = "shim-tty";
        else if (from_shim)
            name = "shim-kill";
        else if (line.scene == "hyper-unknown" || line.scene == "hyper-too-long" ||
                 line.scene == "hyper-not-attached" || line.scene == "connect-claimed")
            name = line.scene;
        auto& client = clients_[name];
        if (!client) client = world_.NewClient();
        return client;
    }

    static void ExpectPrefix(std::string& received, const std::string& bytes) {
        CHECK(HexEncode(received.substr(0, bytes.size())) == HexEncode(bytes));
        received.erase(0, bytes.size());
    }

    void ExpectClient(const Line& line, const std::string& bytes) {
        ExpectPrefix(ClientOf(line)->received, bytes);
    }

    void ExpectAgent(const Line& line, const std::string& bytes) {
        auto& received = AgentOf(line)->received;
        // A field that 3.0 loses on the way, a bug of its own (reference A8).
        const std::string lost = ",\"CPUShares\":0";
        if (const size_t at = received.find(lost); at != std::string::npos) {
            const std::string payload = received.substr(kControlHeaderSize);
            std::string without = payload;
            without.erase(without.find(lost), lost.size());
            CHECK(EncodeControl(ControlCode::kNewContainer, without) == bytes);
            received.clear();
            return;
        }
        ExpectPrefix(received, bytes);
    }

    MemoryWorld world_;
    std::map<std::string, MemoryWorld::PeerPtr> clients_;
    std::map<std::string, bool> ready_;
};

TEST_CASE("every captured conversation with 3.0 goes the same way with ours") {
    Replay replay;
    int played = 0;
    for (const auto& golden : test::GoldenFrames()) {
        if (golden.Has("malformed_client")) continue;
        CAPTURE(golden.name);
        replay.Play(golden);
        ++played;
    }
    CHECK(played > 140);
}

TEST_CASE("what 3.0 closes a connection for closes it here, and what it should have taken works") {
    for (const auto& golden : test::GoldenFrames()) {
        // Version 3, which 3.0 does not know, is ours.
        if (!golden.Has("malformed_client") || golden.Has("bad-version")) continue;
        CAPTURE(golden.name);
        MemoryWorld world;
        const auto client = world.NewClient();
        if (golden.Has("split-header")) client->chunk = 6;
        client->Send(golden.bytes);
        world.Run();
        const bool good = golden.Has("big-header-ok") || golden.Has("split-header");
        CHECK(client->closed == !good);
        CHECK(client->received.empty() == !good);
        if (good) CHECK(client->received.find("unknown containerID: vm0") != std::string::npos);
    }
}

TEST_CASE("the captured conversations go the same way when every byte arrives alone") {
    for (const int number : {1, 12, 56}) {
        MemoryWorld world;
        const auto client = world.NewClient();
        client->chunk = 1;
        client->Send(test::Golden(number));
        world.Run();
        CHECK_FALSE(client->closed);
    }
}

}  // namespace
}  // namespace cc::proxy

// SPDX-License-Identifier: Apache-2.0
// The conversation by which a network device is plugged in, with a QEMU that is played.
#include "vmm/qemu/nic_plug.h"

#include <optional>

#include <doctest/doctest.h>
#include <fcntl.h>

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/network.h"

namespace cc::qemu {

namespace {

// Answers every command with success but the one that is named.
struct Player {
    uv::Loop loop;
    Fd peer;
    std::unique_ptr<QmpClient> client;
    uv::Poll heard{loop, [this](int) { Answer(); }};
    uv::Timer patience{loop, [this] { loop.Stop(); }};
    std::string refused;
    std::vector<Json> commands;
    size_t descriptors = 0;
    std::string line;

    Player() {
        auto pair = MakeSocketPair(SOCK_STREAM);
        REQUIRE(pair);
        peer = std::move(pair->second);
        auto opened = QmpClient::Open(
            loop, std::move(pair->first),
            {.on_ready = [this] { loop.Stop(); }, .on_event = nullptr, .on_end = [](auto) {}});
        REQUIRE(opened);
        client = std::move(*opened);
        REQUIRE(heard.Open(peer.get()));
        heard.Start(UV_READABLE);
        REQUIRE(WriteAll(peer.get(), "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"));
        Turn();
        commands.clear();
    }
    void Turn() {
        patience.Start(std::chrono::seconds(10));
        loop.Run();
    }
    void Answer() {
        auto received = ReceiveWithFds(peer.get(), 65536);
        REQUIRE(received);
        descriptors += received->fds.size();
        line += received->bytes;
        for (size_t end; (end = line.find('\n')) != std::string::npos; line.erase(0, end + 1)) {
            const Json command = Json::parse(line.substr(0, end));
            commands.push_back(command);
            const bool refuse = command["execute"] == refused;
            REQUIRE(WriteAll(peer.get(),
                             Cat("{", refuse ? R"("error":{"desc":"no room"})" : R"("return":{})",
                                 ",\"id\":", command["id"].dump(), "}\r\n")));
        }
    }
    std::optional<Result<void>> Plug(MachineType machine, int number, bool vhost = false) {
        std::optional<Result<void>> how;
        NicBackEnd end{OpenFile("/dev/null", O_RDWR).value(), {}};
        if (vhost) end.vhost = OpenFile("/dev/null", O_RDWR).value();
        PlugNic(*client, machine, number, end, std::chrono::seconds(5), [&](Result<void> done) {
            how = std::move(done);
            loop.Stop();
        });
        Turn();
        return how;
    }
    std::vector<std::string> Names() const {
        std::vector<std::string> names;
        for (const auto& command : commands)
            names.push_back(command["execute"]);
        return names;
    }
};

}  // namespace

TEST_CASE("a network device is plugged into the next free slot, with the tap's descriptor") {
    Player qemu;
    const auto plugged = qemu.Plug(MachineType::kPc, 2);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"getfd", "netdev_add", "device_add"});
    CHECK(qemu.descriptors == 1);
    CHECK(qemu.commands[0]["arguments"]["fdname"] == "tap2_cc");
    CHECK(qemu.commands[1]["arguments"] ==
          Json::parse(R"({"type":"tap","id":"net2","fd":"tap2_cc","vhost":false})"));
    CHECK(qemu.commands[2]["arguments"] ==
          Json::parse(R"({"driver":"virtio-net-pci","id":"nic2","netdev":"net2",
              "mac":"02:cc:00:00:00:02","guest_announce":false,"romfile":"",
              "bus":"pci.0","addr":"0x11"})"));
}

TEST_CASE("with vhost-net both descriptors go, and both are taken back") {
    Player qemu;
    const auto plugged = qemu.Plug(MachineType::kPc, 1, true);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"getfd", "getfd", "netdev_add", "device_add"});
    CHECK(qemu.descriptors == 2);
    CHECK(qemu.commands[2]["arguments"] ==
          Json::parse(R"({"type":"tap","id":"net1","fd":"tap1_cc","vhost":true,
              "vhostfd":"vhost1_cc"})"));
    for (const char* refused : {"getfd", "netdev_add"}) {
        Player refuses;
        refuses.refused = refused;
        const auto failed = refuses.Plug(MachineType::kPc, 1, true);
        REQUIRE(failed);
        CHECK_FALSE(*failed);
        refuses.patience.Start(std::chrono::milliseconds(50));
        refuses.loop.Run();
        const auto& all = refuses.commands;
        REQUIRE(all.size() >= 4);
        CHECK(all[all.size() - 2]["arguments"]["fdname"] == "tap1_cc");
        CHECK(all[all.size() - 1]["arguments"]["fdname"] == "vhost1_cc");
    }
}

TEST_CASE("on q35 a network device is plugged into a root port") {
    Player qemu;
    CHECK(*qemu.Plug(MachineType::kQ35, 1));
    CHECK(qemu.commands[2]["arguments"]["bus"] == "hotplug0");
    CHECK_FALSE(qemu.commands[2]["arguments"].contains("addr"));
}

TEST_CASE("what the VMM refuses is taken back and told") {
    for (const auto& [refused, undo] :
         {std::pair{"getfd", "closefd"}, {"netdev_add", "closefd"}, {"device_add", "netdev_del"}}) {
        CAPTURE(refused);
        Player qemu;
        qemu.refused = refused;
        const auto plugged = qemu.Plug(MachineType::kPc, 1);
        REQUIRE(plugged);
        REQUIRE_FALSE(*plugged);
        CHECK(plugged->error().message.find("no room") != std::string::npos);
        qemu.patience.Start(std::chrono::milliseconds(50));
        qemu.loop.Run();
        CHECK(qemu.Names().back() == undo);
    }
}

}  // namespace cc::qemu

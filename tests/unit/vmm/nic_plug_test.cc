// SPDX-License-Identifier: Apache-2.0
// The conversation by which a network device is plugged in, with a QEMU that is played.
#include "vmm/qemu/nic_plug.h"

#include <fcntl.h>

#include "protocol/network.h"
#include "tests/unit/vmm/played_qemu.h"

namespace cc::qemu {

namespace {

struct Player : PlayedQemu {
    std::optional<Result<void>> Plug(MachineType machine, int number, bool vhost = false,
                                     int queues = 1) {
        NicBackEnd end;
        for (int i = 0; i < queues; ++i) {
            end.taps.push_back(OpenFile("/dev/null", O_RDWR).value());
            if (vhost) end.vhosts.push_back(OpenFile("/dev/null", O_RDWR).value());
        }
        return Run([&](auto done) {
            PlugNic(*client, machine, number, end, std::chrono::seconds(5), std::move(done));
        });
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

TEST_CASE("each queue of a network device has its descriptors, and an interrupt each way") {
    Player qemu;
    const auto plugged = qemu.Plug(MachineType::kPc, 1, true, 3);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.descriptors == 6);
    REQUIRE(qemu.commands.size() == 8);
    CHECK(qemu.commands[6]["arguments"] ==
          Json::parse(R"({"type":"tap","id":"net1","fds":"tap1_cc:tap1_cc_1:tap1_cc_2","vhost":true,
              "vhostfds":"vhost1_cc:vhost1_cc_1:vhost1_cc_2"})"));
    CHECK(qemu.commands[7]["arguments"]["mq"] == true);
    CHECK(qemu.commands[7]["arguments"]["vectors"] == 8);
    Player refuses;
    refuses.refused = "netdev_add";
    CHECK_FALSE(*refuses.Plug(MachineType::kPc, 1, false, 2));
    const auto& all = refuses.commands;
    REQUIRE(all.size() == 5);
    CHECK(all[3]["arguments"]["fdname"] == "tap1_cc");
    CHECK(all[4]["arguments"]["fdname"] == "tap1_cc_1");
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

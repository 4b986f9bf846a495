// SPDX-License-Identifier: Apache-2.0
// Network devices that are no taps: how QEMU is told of them, from the start and later.
#include "vmm/qemu/card.h"

#include "tests/unit/vmm/played_qemu.h"
#include "vmm/qemu/memory_plug.h"

namespace cc::qemu {

namespace {

const Card kFunctionCard{15, CardKind::kPhysical, "0000:03:10.0"};
const Card kServedCard{1, CardKind::kVhostUser, "/tmp/vhostuser_10.0.0.2/vhu.sock"};

using CardWords = std::vector<std::pair<std::string, std::string>>;

std::optional<Result<void>> PlugInto(PlayedQemu& qemu, MachineType machine, const Card& card,
                                     Acceleration acceleration = Acceleration::kKvm) {
    return qemu.Run([&](auto done) {
        PlugCard(*qemu.client, {machine, acceleration}, card, std::chrono::seconds(5),
                 std::move(done));
    });
}

}  // namespace

TEST_CASE("a machine that boots has its cards in its arguments") {
    CHECK(CardArguments({}, kFunctionCard) ==
          CardWords{{"-device",
                     "driver=vfio-pci,id=nic15,bus=pci.0,addr=0x1e,host=0000:03:10.0,rombar=0"}});
    CHECK(
        CardArguments({MachineType::kQ35}, {4, CardKind::kPhysical, "0000:03:10.0"}) ==
        CardWords{{"-device", "driver=vfio-pci,id=nic4,bus=hotplug3,host=0000:03:10.0,rombar=0"}});
    CHECK(CardArguments({}, kServedCard) ==
          CardWords{{"-chardev", "socket,id=vhost1,path=/tmp/vhostuser_10.0.0.2/vhu.sock"},
                    {"-netdev", "vhost-user,id=net1,chardev=vhost1"},
                    {"-device",
                     "driver=virtio-net-pci,id=nic1,bus=pci.0,addr=0x10,netdev=net1,"
                     "mac=02:cc:00:00:00:01,romfile=,guest_announce=off"}});
    // No path begins another option.
    CHECK(CardArguments({}, {1, CardKind::kVhostUser, "/a,server=on"})[0].second ==
          "socket,id=vhost1,path=/a,,server=on");
}

TEST_CASE("a device of the host's is plugged into a machine that runs") {
    PlayedQemu qemu;
    const auto plugged = PlugInto(qemu, MachineType::kPc, kFunctionCard);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"device_add"});
    CHECK(qemu.commands[0]["arguments"] ==
          Json::parse(R"({"driver":"vfio-pci","id":"nic15","bus":"pci.0","addr":"0x1e",
              "host":"0000:03:10.0","rombar":0})"));
}

TEST_CASE("a device that a program serves is plugged in with its socket") {
    PlayedQemu qemu;
    const auto plugged = PlugInto(qemu, MachineType::kQ35, kServedCard);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"chardev-add", "netdev_add", "device_add"});
    CHECK(qemu.commands[0]["arguments"] ==
          Json::parse(R"({"id":"vhost1","backend":{"type":"socket","data":{"addr":{"type":"unix",
              "data":{"path":"/tmp/vhostuser_10.0.0.2/vhu.sock"}},"server":false}}})"));
    CHECK(qemu.commands[1]["arguments"] ==
          Json::parse(R"({"type":"vhost-user","id":"net1","chardev":"vhost1"})"));
    CHECK(qemu.commands[2]["arguments"] ==
          Json::parse(R"({"driver":"virtio-net-pci","id":"nic1","bus":"hotplug0","netdev":"net1",
              "mac":"02:cc:00:00:00:01","romfile":"","guest_announce":false})"));
}

TEST_CASE(
    "a device that a program serves has an interrupt line where QEMU has nobody for messages") {
    CHECK(CardArguments({MachineType::kPc, Acceleration::kTcg}, kServedCard)
              .back()
              .second.find("vectors=0") != std::string::npos);
    CHECK(CardArguments({MachineType::kPc, Acceleration::kTcg}, kFunctionCard)
              .back()
              .second.find("vectors") == std::string::npos);
    PlayedQemu qemu;
    REQUIRE(*PlugInto(qemu, MachineType::kPc, kServedCard, Acceleration::kTcg));
    CHECK(qemu.commands[2]["arguments"]["vectors"] == 0);
}

TEST_CASE("of a card that the VMM refuses nothing is left in it") {
    const std::vector<std::pair<std::string, std::vector<std::string>>> undone{
        {"chardev-add", {}},
        {"netdev_add", {"chardev-remove"}},
        {"device_add", {"netdev_del", "chardev-remove"}}};
    for (const auto& [refused, undo] : undone) {
        CAPTURE(refused);
        PlayedQemu qemu;
        qemu.refused = refused;
        const auto plugged = PlugInto(qemu, MachineType::kPc, kServedCard);
        REQUIRE(plugged);
        REQUIRE_FALSE(*plugged);
        CHECK(plugged->error().message.find("no room") != std::string::npos);
        const auto names = qemu.Names();
        REQUIRE(names.size() >= undo.size());
        CHECK(std::vector<std::string>(names.end() - static_cast<long>(undo.size()), names.end()) ==
              undo);
    }
    PlayedQemu qemu;
    qemu.refused = "device_add";
    CHECK_FALSE(*PlugInto(qemu, MachineType::kPc, kFunctionCard));
}

TEST_CASE("memory that comes later is shared if the machine's is") {
    for (const bool shared : {false, true}) {
        PlayedQemu qemu;
        (void)qemu.Run([&](auto done) {
            PlugMemory(*qemu.client, 1, 128, shared, std::chrono::seconds(5), std::move(done));
        });
        const Json& memory = qemu.commands[0]["arguments"];
        CHECK(memory["qom-type"] == (shared ? "memory-backend-memfd" : "memory-backend-ram"));
        CHECK(memory.value("share", false) == shared);
    }
}

}  // namespace cc::qemu

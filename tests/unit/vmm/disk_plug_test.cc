// SPDX-License-Identifier: Apache-2.0
// The conversation by which a disk is plugged in and taken out, with a QEMU that is played.
#include "vmm/qemu/disk_plug.h"

#include <fcntl.h>

#include "tests/unit/vmm/played_qemu.h"

namespace cc::qemu {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct DiskPlayer : PlayedQemu {
    std::vector<int> gone;
    DiskExits exits{loop, [this](int number) { gone.push_back(number); }};

    std::optional<Result<void>> Plug(MachineType machine, int number, bool read_only = false) {
        const Fd device = OpenFile("/dev/null", O_RDWR).value();
        return Run([&](auto done) {
            PlugDisk(*client, machine, number, device, read_only, seconds(5), std::move(done));
        });
    }
    void TurnFor(milliseconds time) {
        patience.Start(time);
        loop.Run();
    }
};

}  // namespace

TEST_CASE("a disk is plugged into the last free slot, by a descriptor and not by a path") {
    DiskPlayer qemu;
    const auto plugged = qemu.Plug(MachineType::kPc, 2);
    REQUIRE(plugged);
    REQUIRE_MESSAGE(*plugged, plugged->error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"add-fd", "blockdev-add", "device_add"});
    CHECK(qemu.descriptors == 1);
    CHECK(qemu.commands[0]["arguments"] == Json::parse(R"({"fdset-id":3})"));
    CHECK(qemu.commands[1]["arguments"] ==
          Json::parse(R"({"driver":"host_device","node-name":"drive2","filename":"/dev/fdset/3",
              "read-only":false,"cache":{"direct":true},"discard":"unmap","locking":"off"})"));
    CHECK(qemu.commands[2]["arguments"] ==
          Json::parse(R"({"driver":"virtio-blk-pci","id":"disk2","drive":"drive2",
              "serial":"cc-disk-2","bus":"pci.0","addr":"0x1d"})"));
}

TEST_CASE("on q35 a disk is plugged into the last root port, and may be read-only") {
    DiskPlayer qemu;
    CHECK(*qemu.Plug(MachineType::kQ35, 0, true));
    CHECK(qemu.commands[1]["arguments"]["read-only"] == true);
    CHECK(qemu.commands[2]["arguments"]["bus"] == "hotplug3");
    CHECK_FALSE(qemu.commands[2]["arguments"].contains("addr"));
}

TEST_CASE("of a disk that the VMM refuses nothing is left in it") {
    const std::vector<std::pair<std::string, std::vector<std::string>>> refusals = {
        {"add-fd", {"add-fd"}},
        {"blockdev-add", {"add-fd", "blockdev-add", "remove-fd"}},
        {"device_add", {"add-fd", "blockdev-add", "device_add", "blockdev-del", "remove-fd"}}};
    for (const auto& [refused, said] : refusals) {
        CAPTURE(refused);
        DiskPlayer qemu;
        qemu.refused = refused;
        const auto plugged = qemu.Plug(MachineType::kPc, 0);
        REQUIRE(plugged);
        REQUIRE_FALSE(*plugged);
        CHECK(plugged->error().message.find("no room") != std::string::npos);
        CHECK(qemu.Names() == said);
    }
}

TEST_CASE("a disk is out when the guest has let go of it and its device is closed") {
    DiskPlayer qemu;
    std::optional<Result<void>> out;
    qemu.exits.Begin(*qemu.client, 1, seconds(5), [&](Result<void> how) { out = std::move(how); });
    qemu.TurnFor(milliseconds(50));
    CHECK_FALSE(out);
    CHECK(qemu.Names() == std::vector<std::string>{"device_del"});
    CHECK(qemu.commands[0]["arguments"]["id"] == "disk1");
    qemu.exits.OnEvent({.name = "DEVICE_DELETED", .reason = {}, .status = {}, .device = "nic1"});
    qemu.exits.OnEvent({.name = "DEVICE_DELETED", .reason = {}, .status = {}, .device = "disk1"});
    qemu.TurnFor(milliseconds(50));
    REQUIRE(out);
    CHECK(*out);
    CHECK(qemu.Names() == std::vector<std::string>{"device_del", "blockdev-del", "remove-fd"});
    CHECK(qemu.gone == std::vector<int>{1});
}

TEST_CASE("who waits for a guest that keeps its disk is told so, and the disk goes when it can") {
    DiskPlayer qemu;
    std::optional<Result<void>> out;
    qemu.exits.Begin(*qemu.client, 1, milliseconds(20),
                     [&](Result<void> how) { out = std::move(how); });
    qemu.TurnFor(milliseconds(100));
    REQUIRE(out);
    CHECK(out->error().message == "the guest does not let go of disk 1 within 20 ms");
    CHECK(qemu.gone.empty());
    qemu.exits.OnEvent({.name = "DEVICE_DELETED", .reason = {}, .status = {}, .device = "disk1"});
    qemu.TurnFor(milliseconds(50));
    CHECK(qemu.gone == std::vector<int>{1});
    CHECK(qemu.Names().back() == "remove-fd");
}

TEST_CASE("a guest that refuses and a VMM that knows no such disk are told at once") {
    DiskPlayer refuses;
    std::optional<Result<void>> out;
    refuses.exits.Begin(*refuses.client, 0, seconds(5),
                        [&](Result<void> how) { out = std::move(how); });
    refuses.exits.OnEvent(
        {.name = "DEVICE_UNPLUG_GUEST_ERROR", .reason = {}, .status = {}, .device = "disk0"});
    REQUIRE(out);
    CHECK_FALSE(*out);
    DiskPlayer knows_none;
    knows_none.refused = "device_del";
    out.reset();
    knows_none.exits.Begin(*knows_none.client, 0, seconds(5),
                           [&](Result<void> how) { out = std::move(how); });
    knows_none.TurnFor(milliseconds(50));
    REQUIRE(out);
    CHECK_FALSE(*out);
}

}  // namespace cc::qemu

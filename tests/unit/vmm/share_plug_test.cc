// SPDX-License-Identifier: Apache-2.0
// The conversation by which the share is plugged in and taken out again, with a QEMU that is
// played.
#include "vmm/qemu/share_plug.h"

#include <fcntl.h>

#include "tests/unit/vmm/played_qemu.h"

namespace cc::qemu {

namespace {

struct SharePlayer : PlayedQemu {
    Result<void> Plug(MachineType machine) {
        const Fd connection = OpenFile("/dev/null", O_RDWR).value();
        auto how = Run([&](auto done) {
            PlugShare(*client, {machine, Acceleration::kTcg}, connection, std::chrono::seconds(5),
                      std::move(done));
        });
        REQUIRE(how);
        return *how;
    }
};

}  // namespace

TEST_CASE("the share is plugged in with the descriptor of its connection") {
    SharePlayer qemu;
    const auto plugged = qemu.Plug(MachineType::kPc);
    REQUIRE_MESSAGE(plugged, plugged.error().message);
    CHECK(qemu.Names() == std::vector<std::string>{"getfd", "chardev-add", "device_add"});
    CHECK(qemu.descriptors == 1);
    CHECK(qemu.commands[1]["arguments"] ==
          Json::parse(R"({"id":"share","backend":{"type":"socket","data":{
              "addr":{"type":"fd","data":{"str":"share_cc"}},"server":false}}})"));
    CHECK(qemu.commands[2]["arguments"] ==
          Json::parse(R"({"driver":"vhost-user-fs-pci","id":"share0","bus":"pci.0","addr":"0x04",
              "chardev":"share","tag":"hyperShared"})"));
    SharePlayer other;
    REQUIRE(other.Plug(MachineType::kQ35));
    CHECK(other.commands[2]["arguments"]["bus"] == "hotplug-share");
    CHECK_FALSE(other.commands[2]["arguments"].contains("addr"));
}

TEST_CASE("of a share that cannot be plugged in nothing is left") {
    for (const auto& [refused, last] : {std::pair{"getfd", "getfd"},
                                        {"chardev-add", "closefd"},
                                        {"device_add", "chardev-remove"}}) {
        SharePlayer qemu;
        qemu.refused = refused;
        const auto plugged = qemu.Plug(MachineType::kPc);
        REQUIRE_FALSE(plugged);
        CHECK(plugged.error().message.find("no room") != std::string::npos);
        CHECK(qemu.Names().back() == last);
    }
}

TEST_CASE("the share is asked back from the guest, then its connection ends") {
    PlayedQemu qemu;
    REQUIRE(
        *qemu.Run([&](auto done) { AskForShare(*qemu.client, std::chrono::seconds(5), done); }));
    REQUIRE(*qemu.Run([&](auto done) { DropShare(*qemu.client, std::chrono::seconds(5), done); }));
    CHECK(qemu.Names() == std::vector<std::string>{"device_del", "chardev-remove"});
    CHECK(qemu.commands[0]["arguments"]["id"] == "share0");
}

}  // namespace cc::qemu

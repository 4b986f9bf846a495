// SPDX-License-Identifier: Apache-2.0
// Handing a network device of the host's over and back, on a recorded host.
#include "host/pci_bus.h"

#include "tests/pci_host.h"

namespace cc {

namespace {

constexpr const char* kFunction = "0000:03:10.0";

std::string WhyNotPassable(const PciBus& bus, const std::string& address) {
    const auto device = bus.Find(address);
    REQUIRE_MESSAGE(device, device.error().message);
    const auto passable = bus.CheckPassable(*device);
    return passable ? "" : passable.error().message;
}

bool Says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a network device of the host's is known by its address") {
    test::PciHost host;
    const PciBus bus = host.Bus();
    const auto function = bus.Find(kFunction);
    REQUIRE(function);
    CHECK(function->driver == "ixgbevf");
    CHECK(function->virtual_function);
    CHECK_FALSE(bus.Find("0000:03:00.0")->virtual_function);
    CHECK(bus.Find("0000:09:00.0").error().code == ENOENT);
    CHECK(Says(bus.Find("0000:05:00.0").error().message, "no network device"));
}

TEST_CASE("what keeps a device from a virtual machine is said, and nothing is touched") {
    test::PciHost host;
    const PciBus bus = host.Bus();
    CHECK(WhyNotPassable(bus, kFunction).empty());
    CHECK(WhyNotPassable(bus, "0000:03:00.0").empty());
    CHECK(Says(WhyNotPassable(bus, "0000:04:00.0"), "no IOMMU"));
    const std::string others = WhyNotPassable(bus, "0000:03:10.2");
    for (const char* part : {"0000:03:10.2", "0000:05:00.0", "nvme"})
        CHECK_MESSAGE(Says(others, part), others);
    host.Put("bus/pci/devices/0000:03:00.0/sriov_numvfs", "2\n");
    CHECK(Says(WhyNotPassable(bus, "0000:03:00.0"), "2 virtual functions"));
    host.RemoveDriver("vfio-pci");
    CHECK(Says(WhyNotPassable(bus, kFunction), "modprobe vfio-pci"));
    CHECK(host.writes.empty());
}

TEST_CASE("a device goes to vfio-pci and comes back, each once") {
    test::PciHost host;
    const PciBus bus = host.Bus();
    REQUIRE(bus.GiveToVfio(kFunction));
    CHECK(host.writes == std::vector<std::string>{"devices/0000:03:10.0/driver_override vfio-pci",
                                                  "drivers/ixgbevf/unbind 0000:03:10.0",
                                                  "drivers_probe 0000:03:10.0"});
    CHECK(host.Driver(kFunction) == "vfio-pci");
    CHECK(bus.GiveToVfio(kFunction));
    CHECK(host.writes.size() == 3);
    host.writes.clear();
    REQUIRE(bus.GiveBack(kFunction, "ixgbevf"));
    CHECK(host.writes == std::vector<std::string>{"devices/0000:03:10.0/driver_override ",
                                                  "drivers/vfio-pci/unbind 0000:03:10.0",
                                                  "drivers_probe 0000:03:10.0"});
    CHECK(host.Driver(kFunction) == "ixgbevf");
    CHECK(host.Override(kFunction).empty());
    // As after a crash before it was taken, and when somebody has pulled it out.
    CHECK(bus.GiveBack(kFunction, "ixgbevf"));
    CHECK(host.Driver(kFunction) == "ixgbevf");
    host.RemoveDevice(kFunction);
    CHECK(bus.GiveBack(kFunction, "ixgbevf"));
}

TEST_CASE("a device that was cut off between two drivers comes back") {
    test::PciHost host;
    const PciBus bus = host.Bus();
    host.broken = "drivers_probe";
    CHECK_FALSE(bus.GiveToVfio(kFunction));
    CHECK(host.Driver(kFunction).empty());
    host.broken.clear();
    CHECK(bus.GiveBack(kFunction, "ixgbevf"));
    CHECK(host.Driver(kFunction) == "ixgbevf");
}

TEST_CASE("a device that is not taken is where it was") {
    for (const char* broken : {"driver_override", "unbind", "vfio-pci"}) {
        CAPTURE(broken);
        test::PciHost host;
        const PciBus bus = host.Bus();
        (std::string(broken) == "vfio-pci" ? host.refused : host.broken) = broken;
        const auto given = bus.GiveToVfio(kFunction);
        REQUIRE_FALSE(given);
        CHECK(Says(given.error().message, kFunction));
        CHECK(host.Driver(kFunction) == "ixgbevf");
    }
    // One whose own driver refuses it: told.
    test::PciHost host;
    const PciBus bus = host.Bus();
    REQUIRE(bus.GiveToVfio(kFunction));
    host.refused = "ixgbevf";
    const auto back = bus.GiveBack(kFunction, "ixgbevf");
    REQUIRE_FALSE(back);
    CHECK(Says(back.error().message, "ixgbevf did not take it"));
}

TEST_CASE("the link that a driver has made is found by its index") {
    test::PciHost host;
    const PciBus bus = host.Bus();
    CHECK_FALSE(bus.LinkOf(kFunction));
    host.Put("bus/pci/devices/0000:03:10.0/net/enp3s16/ifindex", "17\n");
    CHECK(bus.LinkOf(kFunction).value_or(0) == 17);
}

}  // namespace cc

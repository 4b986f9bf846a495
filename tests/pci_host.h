// SPDX-License-Identifier: Apache-2.0
// A recorded host with an SR-IOV card, and a kernel that is played: what is written into its sysfs
// moves devices from driver to driver, as Linux does.
//
//   0000:00:01.0  a bridge
//   0000:03:00.0  the card, ixgbe, alone in group 20
//   0000:03:10.0  a virtual function of it, ixgbevf, with the bridge in group 21
//   0000:03:10.2  another one, with a disk that nvme uses in group 22
//   0000:04:00.0  a card without an IOMMU, e1000e
//   0000:05:00.0  that disk
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

#include "base/text.h"
#include "host/pci_bus.h"
#include "tests/scratch.h"

namespace cc::test {

class PciHost {
  public:
    PciHost() {
        AddDevice("0000:00:01.0", "0x060400", "pcieport", 21);
        AddDevice("0000:03:00.0", "0x020000", "ixgbe", 20);
        AddDevice("0000:03:10.0", "0x020000", "ixgbevf", 21);
        AddDevice("0000:03:10.2", "0x020000", "ixgbevf", 22);
        AddDevice("0000:04:00.0", "0x020000", "e1000e", -1);
        AddDevice("0000:05:00.0", "0x010802", "nvme", 22);
        Put("bus/pci/devices/0000:03:00.0/sriov_numvfs", "0\n");
        for (const char* function : {"0000:03:10.0", "0000:03:10.2"})
            Link("../0000:03:00.0", Cat("bus/pci/devices/", function, "/physfn"));
        AddDriver("vfio-pci");
        Put("bus/pci/drivers_probe", "");
    }

    PciBus Bus() {
        return {root(), [this](const std::string& path, std::string_view text) {
                    return Write(path.substr(root().size() + 1), std::string(Trim(text)));
                }};
    }
    std::string Driver(const std::string& address) const {
        const auto target = ReadLink(Device(address) + "/driver");
        return target ? target->substr(target->rfind('/') + 1) : "";
    }
    std::string Override(const std::string& address) const {
        return ReadFile(Device(address) + "/driver_override", 100).value_or("?");
    }
    void Put(const std::string& name, const std::string& text) const {
        const std::filesystem::path path = scratch_ / name;
        std::filesystem::create_directories(path.parent_path());
        REQUIRE(WriteFileAtomic(path, text, 0644));
    }
    void RemoveDriver(const std::string& name) const {
        std::filesystem::remove_all(scratch_ / Cat("bus/pci/drivers/", name));
    }
    void RemoveDevice(const std::string& address) const {
        std::filesystem::remove_all(Device(address));
    }

    std::vector<std::string> writes;  // "attribute text", as far as they were written
    std::string refused;              // a driver that takes nothing any more
    std::string broken;               // an attribute that cannot be written

  private:
    std::string root() const { return scratch_.path(); }
    std::string Device(const std::string& address) const {
        return scratch_ / Cat("bus/pci/devices/", address);
    }
    void Link(const std::string& target, const std::string& name) const {
        const std::filesystem::path path = scratch_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::filesystem::create_symlink(target, path);
    }
    void AddDriver(const std::string& name) const {
        for (const char* attribute : {"bind", "unbind"})
            Put(Cat("bus/pci/drivers/", name, "/", attribute), "");
    }
    void AddDevice(const std::string& address, const std::string& kind, const std::string& driver,
                   int group) {
        const std::string device = Cat("bus/pci/devices/", address);
        Put(device + "/class", kind + "\n");
        Put(device + "/driver_override", "(null)\n");
        AddDriver(driver);
        Link("../../drivers/" + driver, device + "/driver");
        usual_[address] = driver;
        if (group < 0) return;
        const std::string place = Cat("kernel/iommu_groups/", group);
        Link(Cat("../../../../../bus/pci/devices/", address), Cat(place, "/devices/", address));
        Link(Cat("../../../../", place), device + "/iommu_group");
    }
    Result<void> Write(const std::string& name, const std::string& text) {
        const std::string attribute = name.substr(name.rfind('/') + 1);
        if (attribute == broken) return Fail("writing it: Input/output error", EIO);
        writes.push_back(Cat(name.substr(std::string_view("bus/pci/").size()), " ", text));
        if (attribute == "driver_override") {
            Put(name, text);
        } else if (attribute == "unbind") {
            std::filesystem::remove(Device(text) + "/driver");
        } else if (attribute == "drivers_probe") {
            const std::string chosen = Override(text);
            const std::string driver = chosen == "vfio-pci" ? chosen : usual_[text];
            if (Driver(text).empty() && driver != refused)
                Link("../../drivers/" + driver, Cat("bus/pci/devices/", text, "/driver"));
        }
        return {};
    }

    Scratch scratch_;
    std::map<std::string, std::string> usual_;
};

}  // namespace cc::test

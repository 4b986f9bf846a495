// SPDX-License-Identifier: Apache-2.0
#include "host/pci_bus.h"

#include "base/file.h"
#include "base/text.h"

namespace cc {

namespace {

constexpr std::string_view kVfioDriver = "vfio-pci";
constexpr size_t kMostOfAttribute = 4096;

std::string Attribute(const std::string& path) {
    return std::string(Trim(ReadFile(path, kMostOfAttribute).value_or("")));
}

// The last component of what a link of sysfs leads to; ENOENT: it is not there.
Result<std::string> TargetName(const std::string& path) {
    CC_ASSIGN(const std::string target, ReadLink(path));
    return target.substr(target.rfind('/') + 1);
}

// Of a device's class: the kernel says 0x and six digits, of which the first two are the base
// class.
bool IsOfClass(const std::string& device, std::string_view begin) {
    return Attribute(device + "/class").starts_with(begin);
}

// Drivers that may keep a device whose group a virtual machine has.
bool IsHarmless(std::string_view driver) {
    return driver.empty() || driver == kVfioDriver || driver == "pci-stub" || driver == "pcieport";
}

}  // namespace

PciBus::PciBus() : PciBus("/sys", WriteExisting) {}

PciBus::PciBus(const std::string& sysfs, Write write)
    : devices_(sysfs + "/bus/pci/devices"),
      drivers_(sysfs + "/bus/pci/drivers"),
      probe_(sysfs + "/bus/pci/drivers_probe"),
      write_(std::move(write)) {}

std::string PciBus::Path(const std::string& address, std::string_view attribute) const {
    return Cat(devices_, "/", address, attribute.empty() ? "" : "/", attribute);
}

Result<std::string> PciBus::DriverOf(const std::string& address) const {
    auto driver = TargetName(Path(address, "driver"));
    if (!driver && driver.error().code == ENOENT) return std::string();
    return driver;
}

Result<PciDevice> PciBus::Find(const std::string& address) const {
    if (!Exists(Path(address)))
        return Fail(Cat("the host has no PCI device ", Quoted(address, 64)), ENOENT);
    if (!IsOfClass(Path(address), "0x02"))
        return Fail(Cat("the PCI device ", address, " is no network device"), EINVAL);
    PciDevice device;
    device.address = address;
    CC_ASSIGN(device.driver, DriverOf(address));
    device.virtual_function = Exists(Path(address, "physfn"));
    return device;
}

// What is in one group can reach one another past the IOMMU, so the kernel hands over whole groups
// only. Bridges are no devices in this sense.
Result<void> PciBus::CheckGroup(const std::string& address) const {
    const std::string members = Path(address, "iommu_group/devices");
    CC_ASSIGN(const auto others, Context("reading its IOMMU group", ListDirectory(members)));
    for (const auto& other : others) {
        if (other == address || IsOfClass(Path(other), "0x06")) continue;
        CC_ASSIGN(const std::string driver, DriverOf(other));
        if (!IsHarmless(driver))
            return Fail(
                Cat("its IOMMU group has another device, ", other, ", which the driver ", driver,
                    " uses: take that from its driver, too, or use a port that is "
                    "isolated from others"),
                EBUSY);
    }
    return {};
}

Result<void> PciBus::CheckPassable(const PciDevice& device) const {
    const std::string& address = device.address;
    const auto checked = [&]() -> Result<void> {
        if (!Exists(Path(address, "iommu_group")))
            return Fail(
                "the host has no IOMMU for it: switch it on in the firmware, and in the kernel "
                "(intel_iommu=on; amd_iommu needs nothing)",
                ENODEV);
        if (!Exists(Cat(drivers_, "/", kVfioDriver)))
            return Fail("the host's kernel has not loaded vfio-pci: `modprobe vfio-pci`", ENOENT);
        const std::string functions = Attribute(Path(address, "sriov_numvfs"));
        if (!functions.empty() && functions != "0")
            return Fail(Cat("it has ", functions,
                            " virtual functions, which would go with it: use one of them"),
                        EBUSY);
        return CheckGroup(address);
    }();
    return Context(Cat("the network device ", address), checked);
}

// Of none is no error, as when it has just been taken.
Result<void> PciBus::TakeFromDriver(const std::string& address) const {
    CC_ASSIGN(const std::string driver, DriverOf(address));
    if (driver.empty()) return {};
    return write_(Cat(drivers_, "/", driver, "/unbind"), address);
}

Result<void> PciBus::GiveToVfio(const std::string& address) const {
    CC_ASSIGN(const std::string before, DriverOf(address));
    if (before == kVfioDriver) return {};
    auto given = [&]() -> Result<void> {
        // Whatever is probed from now on, by anybody, is for vfio-pci.
        CC_TRY(write_(Path(address, "driver_override"), kVfioDriver));
        CC_TRY(TakeFromDriver(address));
        CC_TRY(write_(probe_, address));
        CC_ASSIGN(const std::string after, DriverOf(address));
        if (after == kVfioDriver) return {};
        return Fail("vfio-pci did not take it; the kernel's log says why", ENODEV);
    }();
    if (!given) (void)GiveBack(address, before);
    return Context(Cat("giving the network device ", address, " to vfio-pci"), std::move(given));
}

Result<void> PciBus::GiveBack(const std::string& address, const std::string& driver) const {
    if (!Exists(Path(address))) return {};
    auto given = [&]() -> Result<void> {
        // An empty line takes the override away.
        CC_TRY(write_(Path(address, "driver_override"), "\n"));
        CC_ASSIGN(const std::string now, DriverOf(address));
        if (!now.empty() && now != kVfioDriver) return {};
        if (now == driver) return {};
        CC_TRY(TakeFromDriver(address));
        CC_TRY(write_(probe_, address));
        CC_ASSIGN(const std::string after, DriverOf(address));
        if (!after.empty() || driver.empty()) return {};
        return Fail(Cat("the driver ", driver, " did not take it"), ENODEV);
    }();
    return Context(Cat("giving the network device ", address, " back to its driver"),
                   std::move(given));
}

Result<int> PciBus::LinkOf(const std::string& address) const {
    const std::string links = Path(address, "net");
    CC_ASSIGN(const auto names, ListDirectory(links));
    if (names.empty()) return Fail(Cat(address, " has no link"), ENOENT);
    const auto index = ParseNumber<int>(Attribute(Cat(links, "/", names.front(), "/ifindex")));
    if (!index) return Fail(Cat("the link of ", address, " has no index"), ENOENT);
    return *index;
}

}  // namespace cc

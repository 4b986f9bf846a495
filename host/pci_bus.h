// SPDX-License-Identifier: Apache-2.0
// The host's PCI network devices, by sysfs, and handing them to vfio-pci and back. (Linux,
// Documentation/driver-api/vfio.rst and ABI/testing/sysfs-bus-pci.)
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cc {

struct PciDevice {
    std::string address;  // "0000:03:10.0"
    std::string driver;   // empty: none has it
    bool virtual_function = false;
};

class PciBus {
  public:
    // How an attribute is written.
    using Write = std::function<Result<void>(const std::string& path, std::string_view text)>;
    PciBus();
    // Of a recorded tree.
    PciBus(const std::string& sysfs, Write write);

    // ENOENT: there is no such device; EINVAL: it is no network device.
    Result<PciDevice> Find(const std::string& address) const;
    // Whether a virtual machine can be given the device. Changes nothing. The error says what the
    // host lacks and, where something can be done, what.
    Result<void> CheckPassable(const PciDevice& device) const;
    // Takes it from its driver and gives it to vfio-pci. Repeated: nothing. After a failure it is
    // where it was.
    Result<void> GiveToVfio(const std::string& address) const;
    // The other way, to `driver`, or to whichever takes it. No error when it is there already, or
    // the device has gone. Waits while a process has the device open: the machine has ended.
    Result<void> GiveBack(const std::string& address, const std::string& driver) const;
    // Index of the link that its driver has made, in whatever namespace it is; ENOENT: none (yet).
    Result<int> LinkOf(const std::string& address) const;

  private:
    std::string Path(const std::string& address, std::string_view attribute = "") const;
    Result<std::string> DriverOf(const std::string& address) const;
    Result<void> CheckGroup(const std::string& address) const;
    Result<void> TakeFromDriver(const std::string& address) const;

    std::string devices_, drivers_, probe_;
    Write write_;
};

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// The machine's own network device while no pod has it.
#pragma once

#include <optional>

#include "base/fd.h"
#include "protocol/network.h"

namespace cc::agent {

class NetworkDevice {
  public:
    // Nobody sees it any more: the calling process, and whom it starts from now on, is in a network
    // namespace with nothing but loopback. (Taking the device from its driver does the same and
    // takes four times as long.) Nothing happens in a machine without such a device.
    Result<void> Hide();
    // Back to it, from where Hide() has gone.
    Result<void> Show();

  private:
    Fd machine_, empty_;  // both namespaces, once there are two
    bool hidden_ = false;
};

// For the rehearsal: a network that has the device, so that the guest's memory and its emulator
// have seen all of StartNetwork before the machine is saved; under emulation that saves a start a
// tenth of a second. None: there is no such device.
Result<std::optional<Network>> ExampleNetwork();
// Afterwards: the device as it was, but up.
Result<void> ReturnDevice(const Network& example);

}  // namespace cc::agent

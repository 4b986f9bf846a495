// SPDX-License-Identifier: Apache-2.0
// The machine's own network device while no pod has it.
#pragma once

#include <optional>

#include "base/fd.h"
#include "netns/socket.h"
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

    // A device that is out of the pod's sight, or was plugged in since, comes to where the calling
    // process is. `mac` is the address that it has. False: there is none (yet).
    Result<bool> Bring(const std::string& mac);
    // The other way: a device with the address `mac` goes out of sight, without its settings, and
    // has the address `device` again. Nothing happens when there is none.
    Result<void> Park(const std::string& mac, const std::string& device);
    // Of the namespace where devices appear that are plugged in.
    Result<netns::Socket> OpenMachine() const;

  private:
    Result<const Fd*> Aside();

    Fd machine_, empty_;  // both namespaces, once there are two
    Fd parked_;           // where devices are that no pod has, while we are at the machine's
    bool hidden_ = false;
};

// For the rehearsal: a network that has the device, so that the guest's memory and its emulator
// have seen all of StartNetwork before the machine is saved; under emulation that saves a start a
// tenth of a second. None: there is no such device.
Result<std::optional<Network>> ExampleNetwork();
// Afterwards: the device as it was, but up.
Result<void> ReturnDevice(const Network& example);

}  // namespace cc::agent

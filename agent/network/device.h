// SPDX-License-Identifier: Apache-2.0
// The machine's own network device while no pod has it.
#pragma once

#include "base/result.h"

namespace cc::agent {

// Nobody sees it any more: the calling process, and whom it starts from now on, is in a network
// namespace with nothing but loopback, and nobody is left in the one with the device. (Taking the
// device from its driver does the same and takes four times as long.) Nothing happens in a machine
// without such a device.
Result<void> HideDevice();

// Before the machine is saved, in a process of its own: goes the ways of StartNetwork, so that the
// guest's memory and its emulator have seen them, and leaves the device up, without addresses.
// Under emulation that saves a start a tenth of a second.
Result<void> RehearseNetwork();

}  // namespace cc::agent

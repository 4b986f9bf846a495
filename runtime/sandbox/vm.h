// SPDX-License-Identifier: Apache-2.0
// A sandbox's virtual machine: what it shall be, where it lives, how it ends.
#pragma once

#include <string>

#include "protocol/vm_config.h"
#include "runtime/config.h"
#include "runtime/guest_files.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Names and places of the VM of sandbox `id` below `root`: short, because sockets lie there, and
// different for the same id below another root.
SandboxRecord PlanSandbox(const RuntimeConfig& config, const std::string& root,
                          const std::string& id);

// What is written down of it.
VmAssets AssetsOf(const std::string& hypervisor, const GuestFiles& guest);
VmConfig MakeVmConfig(const RuntimeConfig& config, const GuestFiles& guest,
                      const std::string& hypervisor, const SandboxRecord& sandbox);

int64_t HostAvailableMib();  // memory, without swapping

// Ends the VM, gently while its keeper answers, and waits until keeper and VMM are gone. Anything
// may be dead already.
Result<void> StopVm(const SandboxRecord& sandbox);

// The same for a VM that is not to be asked, as its guest does not answer: the VMM is killed, which
// ends its keeper.
Result<void> KillVm(const SandboxRecord& sandbox);

// Before a VM is started there: ends one that may be there, and makes the directory anew.
Result<void> ClearVmDirectory(const SandboxRecord& sandbox);

// Waits for a process to end, kills it when the deadline has come, and reaps it if it is our child.
// One that has gone is success.
Result<void> EndProcess(const ProcessId& process, std::chrono::milliseconds patience,
                        std::string_view what);

}  // namespace cc::runtime

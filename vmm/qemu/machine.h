// SPDX-License-Identifier: Apache-2.0
// The options of -machine, -accel, -smp, -m and the memory behind it.
#pragma once

#include "vmm/qemu/arguments.h"

namespace cc::qemu {

std::string_view RootBus(MachineType machine);
std::string SlotName(int slot);  // "0x04"

// An error when machine_accelerators holds anything but plain name=value pairs that are the user's
// to set.
Result<std::string> MachineOption(const VmConfig& config);
// `translations`: the number of the descriptor of the translations' file.
std::string AcceleratorOption(const VmConfig& config, Acceleration acceleration, int translations);
std::string CpuOption(const VmConfig& config, int64_t host_cpus);
std::string MemoryOption(const VmConfig& config, const MachineFacts& facts);
// `memory`: the number of the descriptor that a template or a clone has its memory from.
std::string MemoryBackend(const VmConfig& config, int memory);

}  // namespace cc::qemu

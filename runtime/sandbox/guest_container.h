// SPDX-License-Identifier: Apache-2.0
// Taking a container out of a guest. All of it is for guests that may be sick: what fails is noted
// in the log, and after a deadline the guest is not asked again.
#pragma once

#include <chrono>
#include <string>

#include "runtime/state/store.h"

namespace cc::runtime {

// How long a guest may take for its first answer. In a hurry (delete --force) one that is under
// emulation on a very busy host is taken for a dead one.
constexpr std::chrono::milliseconds kGentleDeadline{10000}, kForcedDeadline{1000};

// What runs of it is killed, and it is removed in the guest, which goes on. False: the guest does
// not answer.
bool EndInGuest(const SandboxRecord& sandbox, const ContainerRecord& container,
                std::chrono::milliseconds patience = kGentleDeadline);
// The same, and the guest is told to end all others, too, and to write what it has to write.
bool EndGuest(const SandboxRecord& sandbox, const ContainerRecord& container,
              std::chrono::milliseconds patience = kGentleDeadline);
// The guest does not see its files any more.
void Unshare(const SandboxRecord& sandbox, const std::string& container_id);
// cc-proxy forgets the VM.
void Unregister(const SandboxRecord& sandbox);

// Takes its block devices out of the machine, from which they are then gone on the host, too. The
// container has been removed in the guest.
void TakeDisksBack(const SandboxRecord& sandbox, const std::string& container_id);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The guest's network follows its namespace on the host, in which engines connect and disconnect
// containers that run.
#pragma once

#include "base/fd.h"
#include "runtime/state/store.h"

namespace cc::runtime {

// Under the sandbox's lock. Reads the namespace; when it differs from what the guest was told, its
// new links are joined to devices of the machine's, plugged in where they are missing, and the
// agent is told the whole of it. The record is saved before and after, so that what was begun is
// undone by `delete`, and repeated by the next call. Nothing happens with an agent that cannot be
// told.
Result<void> FollowNetwork(const Store& store, SandboxRecord& sandbox, const Fd& network_namespace);

// The same with the namespace that the record names, if it is still there, for a container whose
// shim this is; takes the lock.
Result<void> FollowNetwork(const Store& store, const ContainerRecord& container);

// Of an agent that was told nothing of a network yet: there is none.
Result<void> TellNoNetwork(const SandboxRecord& sandbox);

// As FollowNetwork, and no lock, where the namespace is as the guest was told (`sandbox` says). For
// verbs that need not have it: a failure is logged, and the keeper tries again.
void CatchUpWithNetwork(const Store& store, const ContainerRecord& container,
                        const SandboxRecord& sandbox);

}  // namespace cc::runtime

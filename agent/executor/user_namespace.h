// SPDX-License-Identifier: Apache-2.0
// A container in a user namespace of its own. Its first process has no privileges in the VM, so
// another one, the builder, makes the container around it: in the same namespaces but the user
// namespace, with the VM's privileges, owning what it makes as the container's root. The two talk
// over a socket.
#pragma once

#include <string>

#include "agent/executor/terminal.h"
#include "agent/spec.h"

namespace cc::agent {

// The builder. `first`: pidfd of the first process, PID 1 of the pid namespace that the builder is
// in as well. Returns the master end of the terminal, if there is one; the first process has got
// the other.
Result<Fd> BuildAround(int first, int socket, const ContainerSpec& spec, const std::string& share);

// The first process: waits for the builder, and becomes root of its namespace. ECANCELED when the
// builder has failed and said so.
Result<void> WaitForBuilder(int socket);

// A process that joins becomes root of the namespace that it has just entered.
Result<void> BecomeNamespaceRoot();

}  // namespace cc::agent

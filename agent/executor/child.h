// SPDX-License-Identifier: Apache-2.0
// Forking with new namespaces, into a cgroup.
#pragma once

#include <functional>

#include <sys/types.h>

#include "agent/spec.h"
#include "base/fd.h"

namespace cc::agent {

struct Child {
    pid_t pid = 0;  // in the agent's pid namespace
    Fd pidfd;
};

// A child that has ended is not an error.
Result<void> SignalChild(const Child& child, int signal);

// Processes whose namespaces of these types a child is born in, as pidfds; -1: see ForkOptions.
struct BornIn {
    int pid = -1;
    int ipc = -1;
    int uts = -1;
};

struct ForkOptions {
    uint64_t namespaces = 0;  // CLONE_NEW...
    int cgroup = -1;          // directory of the cgroup to be born in
    BornIn born_in;           // -1: the agent's, unless `namespaces` asks for a new one
    // The child is born in a new time namespace with these offsets.
    const std::vector<TimeOffset>* clocks = nullptr;
};

// Runs `body` in a child that has default signal handlers and blocks no signal; what `body` returns
// is its exit status. The agent has one thread only, so the child may do anything.
Result<Child> Fork(const ForkOptions& options, const std::function<int()>& body);

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// Starting a process in a container: the first one, with the container around it, or one that joins
// it.
#pragma once

#include "agent/executor/child.h"
#include "agent/spec.h"
#include "base/fd.h"

namespace cc::agent {

class Understudy;

// The child's ends of its standard streams; empty for a process with a terminal, which makes its
// own.
struct ChildStreams {
    Fd in;
    Fd out;
    Fd err;
};

struct LaunchOptions {
    const ContainerSpec* container = nullptr;
    const ProcessSpec* process = nullptr;  // may be container->process
    const ChildStreams* streams = nullptr;
    std::string share;      // the shared directory, in the agent's mount namespace
    int cgroup = -1;        // directory of the container's cgroup
    int join_pidfd = -1;    // of the container's first process; -1: this process is the first one
    BornIn shared;          // of other containers of the pod, for the first process
    int report = -1;        // socket for ReportReader
    std::string keyring;    // name of the container's session keyring
    bool prepared = false;  // its first process is in that, and in its cgroup namespace
    bool hold = false;      // wait for ReportReader::Release before the program is executed
    Understudy* understudy = nullptr;  // to become the first process; null: one is forked
};

Result<Child> Launch(const LaunchOptions& options);

// What a child does that is born for that, in namespaces of its own. Returns its exit status, if it
// does not become the program.
int BecomeFirstProcess(const LaunchOptions& options);

}  // namespace cc::agent

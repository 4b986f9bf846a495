// SPDX-License-Identifier: Apache-2.0
// The real cc-agent as an ordinary process of this host (agent/host_test.h): its two ports are
// listening UNIX sockets, as QEMU's are, and its containers are real. Needs root and
// busybox-static.
#pragma once

#include <string>

#include "base/process.h"
#include "tests/scratch.h"

namespace cc::test {

class HostAgent {
  public:
    // The shared directory holds a busybox root file system in "c/rootfs".
    HostAgent();
    ~HostAgent();  // ends it, and checks that it left nothing
    HostAgent(const HostAgent&) = delete;
    HostAgent& operator=(const HostAgent&) = delete;

    std::string control() const { return scratch_ / "ctl"; }
    std::string io() const { return scratch_ / "io"; }
    const std::string& share() const { return share_; }
    std::string rootfs() const { return share_ + "/c/rootfs"; }
    const Process& process() const { return process_; }

  private:
    Scratch scratch_;
    std::string share_;
    Process process_;
};

// Waits until somebody listens there; fails the test when nobody does.
Fd ConnectEventually(const std::string& path);

// True, with a "SKIPPED" line, when this process may not make namespaces.
bool SkipWithoutRoot();

}  // namespace cc::test

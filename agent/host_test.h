// SPDX-License-Identifier: Apache-2.0
// The agent as an ordinary process of a host, for tests: the whole protocol against the real thing,
// without a VM. It lives in mount and pid namespaces of its own, so that nothing of it remains when
// it ends, and listens on two UNIX sockets where QEMU would. Needs root.
#pragma once

#include <string>

#include "base/result.h"

namespace cc::agent {

struct HostTestOptions {
    std::string control;  // socket paths
    std::string io;
    std::string share;  // stands in for the shared directory
};

// Runs until SIGTERM. Returns the exit status.
Result<int> RunHostTest(const HostTestOptions& options);

}  // namespace cc::agent

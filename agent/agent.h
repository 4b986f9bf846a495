// SPDX-License-Identifier: Apache-2.0
// The agent's event loop: both channels, the pod, the reaper.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agent/pod.h"
#include "agent/port.h"

namespace cc::agent {

struct AgentOptions {
    // Opens the control (first) and the I/O port.
    using OpenPort = std::function<Result<std::unique_ptr<Port>>(uv::Loop&, Port::Callbacks)>;
    OpenPort open_control;
    OpenPort open_io;
    std::string share;          // where the shared directory is mounted
    std::string cgroup_parent;  // made if missing, below a mounted cgroup2
    std::string shm = "/run/pod-shm";
    PodOptions pod;
    int64_t started_ms = 0;  // CLOCK_BOOTTIME
    bool stop_at_sigterm = false;
    bool takes_processors = true;  // those that are plugged in; a host's are not the agent's
};

// Serves the host until the machine ends (or SIGTERM, when asked to stop at it).
Result<void> RunAgent(const AgentOptions& options);

}  // namespace cc::agent

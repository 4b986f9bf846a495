// SPDX-License-Identifier: Apache-2.0
// What the proxy counts of itself. Counting is an addition where something happens; reading is
// Router::TakeSnapshot()'s business (proxy/snapshot.h), and docs/cc-proxy.md says what each means.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cc::proxy {

struct Flow {
    uint64_t frames = 0;
    uint64_t bytes = 0;  // payload
    void Count(size_t size) {
        ++frames;
        bytes += size;
    }
};

struct QueueMark {
    size_t most = 0;  // bytes that ever waited in it
    void Saw(size_t now) { most = std::max(most, now); }
};

// Lines for the log in one second.
struct LogAllowance {
    std::chrono::seconds second{};
    int lines = 0;
};

struct SessionCounters {
    Flow in;   // stdin, from the shim
    Flow out;  // stdout, from the agent
    Flow err;
    Flow dropped;         // output for a shim that was away too long
    uint64_t stalls = 0;  // its slow shim held its output back
    uint64_t stdin_stalls = 0;
    QueueMark queue;  // for the shim
};

struct VmCounters {
    Flow control_in;  // from the agent
    Flow control_out;
    Flow io_in;
    Flow io_out;
    Flow strays;          // output that belongs to no session: dropped
    uint64_t stalls = 0;  // the I/O port was not read, because of a slow shim
    uint64_t commands = 0;
    uint64_t command_errors = 0;  // that the agent answered
    uint64_t timeouts = 0;        // clients that have given up waiting for an answer
    QueueMark control_queue;
    QueueMark io_queue;
};

struct CommandCount {
    uint64_t served = 0;
    uint64_t refused = 0;
};

struct RouterCounters {
    static constexpr size_t kOpcodes = 16;
    uint64_t connections = 0;
    uint64_t connections_refused = 0;
    uint64_t log_lines_dropped = 0;  // of clients that log too much
    std::array<CommandCount, kOpcodes> commands;
    template <class Opcode>
    CommandCount& Of(Opcode opcode) {
        return commands[std::min<size_t>(static_cast<size_t>(opcode), kOpcodes - 1)];
    }
};

}  // namespace cc::proxy

// SPDX-License-Identifier: Apache-2.0
// What the router holds at one moment, for those who look at it: plain values, no tokens, and a
// bounded number of them. proxy/metrics.h and proxy/status.h show it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "proxy/counters.h"

namespace cc::proxy {

// More are counted, but not listed.
constexpr size_t kMaxListedVms = 1024;
constexpr size_t kMaxListedSessions = 2048;

struct SessionSnapshot {
    uint64_t number = 0;
    std::string container;  // empty until its process is asked for
    bool exec = false;
    std::string_view state;  // allocated, claimed, waiting, starting, running, exited
    bool has_shim = false;
    pid_t shim_pid = 0;  // 0: not known
    size_t queued = 0;   // bytes for its shim
    SessionCounters counters;
};

struct VmSnapshot {
    std::string id;
    std::string_view state;  // connecting, booting, negotiating, running, ending, lost
    bool registered = false;
    int extension = 0;
    std::chrono::milliseconds age{};
    size_t session_count = 0;
    size_t unanswered = 0;  // commands
    size_t control_queued = 0;
    size_t io_queued = 0;
    VmCounters counters;
    std::vector<SessionSnapshot> sessions;  // by number
};

struct Snapshot {
    size_t clients = 0;
    size_t tokens = 0;
    size_t vm_count = 0;
    size_t session_count = 0;
    RouterCounters counters;
    std::vector<VmSnapshot> vms;  // by id; registered ones first
};

}  // namespace cc::proxy

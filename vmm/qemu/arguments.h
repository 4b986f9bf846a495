// SPDX-License-Identifier: Apache-2.0
// A VmConfig as QEMU's argument vector. A pure function: what depends on the host comes in as
// MachineFacts.
//
// Everything that a guest can see of the machine (bus addresses, ids, slots, tags, names) is fixed
// here, so that a template and all its clones agree on it (design.md, decisions 5 and 9); back ends
// differ from process to process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/vm_config.h"

namespace cc::qemu {

// Descriptors that QEMU inherits, by their numbers in it.
struct Descriptors {
    int control = 3;  // QMP, one end of a socket pair
    int console = 4;  // one end of a socket pair
    int ctl = 5;      // listening sockets of the agent's channels
    int io = 6;
    int memory = 7;         // of a template and its clones
    int state = 8;          // of a clone
    int dns = 10;           // one end of a socket pair
    int library = 12;       // preload.h; not an argument
    int translations = 13;  // of a template and its clones, where QEMU can share them
    int files = 14;         // connected to what serves the share, where QEMU does not
    // Of VmConfig::nic, one a queue; beside them, as many of vhost-net, or none.
    std::vector<int> taps = {TapFd(0)};
    std::vector<int> vhosts = {};

    static constexpr int TapFd(int queue) { return queue == 0 ? 9 : 15 + queue; }
    static constexpr int VhostFd(int queue) { return queue == 0 ? 11 : 31 + queue; }
};

struct MachineFacts {
    Acceleration acceleration = Acceleration::kTcg;  // decided: kKvm or kTcg
    int64_t tsc_khz = 0;                             // of the host, 0: unknown
    int64_t host_memory_mib = 0;                     // decides how far a guest may grow
    int64_t host_cpus = 1;
    int64_t image_bytes = 0;  // of VmConfig::image
    std::string firmware;     // path; empty: QEMU's own
};

// What follows argv[0].
Result<std::vector<std::string>> Arguments(const VmConfig& config, const MachineFacts& facts,
                                           const Descriptors& descriptors);

}  // namespace cc::qemu

// SPDX-License-Identifier: Apache-2.0
// From the kernel's hand-over to a machine that can run containers, in two stages:
//   1  in an initramfs: kernel modules, then the move to a root that pivot_root(2) works on, which
//   the root of an
//      initramfs is not: to the root image when the kernel's command line names one (its /init goes
//      on with stage 2), else to an empty tmpfs;
//   2  everywhere: file systems, control groups, loopback, entropy.
// With the tuned kernel and the root image on nvdimm there is no initramfs, and stage 2 begins at
// once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace cc::agent {

constexpr const char* kCgroupMount = "/sys/fs/cgroup";
constexpr std::string_view kVirtioFsType = "virtiofs";  // of a mount, and in BootParameters::share

// What of the kernel's command line concerns the agent.
struct BootParameters {
    std::string root;       // "root=", "/dev/pmem0"
    std::string root_type;  // "rootfstype="
    std::string log_level;  // "agent.log="
    std::string share;      // "agent.share=", the share's file system; empty: 9p
};
BootParameters ParseCommandLine(const std::string& text);
BootParameters ReadCommandLine();  // of the running kernel

// As PID 1 of the machine. May execute another program (the root image's /init) instead of
// returning.
Result<void> Boot(int64_t started_ms);
// When the agent began, before Boot executed another program; nothing to speak of: now.
int64_t StartedMs();

// Stage 1's moves; see above.
Result<void> SwitchToImage(const BootParameters& parameters);
Result<void> SwitchToTmpfs();
bool InInitramfs();
// Mounts on a directory that is made when it is missing. Already mounted is success.
Result<void> MountOn(const std::string& type, const std::string& target, unsigned long flags,
                     const char* data);

// Stage 2's details.
Result<void> RaiseLoopback();
void SeedEntropy();  // from the VMM's random device, when there is one
// Random bytes that the kernel is to trust, and a new key made of them: what comes out of its
// generators afterwards has nothing to do with what came before.
Result<void> AddEntropy(std::string_view bytes);
Result<void> SetClock(int64_t unix_time_ns);

}  // namespace cc::agent

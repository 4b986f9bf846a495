// SPDX-License-Identifier: Apache-2.0
// What the runtime remembers of sandboxes and containers between two commands. A record that was
// written before the host booted is read without processes and cgroups, so its container is stopped
// and can be deleted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "protocol/card.h"
#include "protocol/network.h"
#include "runtime/network/link_policy.h"

namespace cc::runtime {

// Names a process for good: a reused pid has another start time (base/process.h).
struct ProcessId {
    pid_t pid = 0;
    uint64_t start_time = 0;
};
ProcessId Identify(pid_t pid);   // of a process that lives; start time 0 when it does not
bool IsAlive(const ProcessId&);  // a zombie is not

enum class Status { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view Name(Status status);  // "creating", ...

struct ContainerRecord {
    std::string id;
    std::string sandbox_id;
    Status status = Status::kCreating;  // as last written; see CurrentStatus
    std::string oci_version;
    std::string bundle;
    std::string rootfs;
    std::string created;  // RFC 3339 with nanoseconds, UTC
    std::map<std::string, std::string> annotations;
    bool terminal = false;
    ProcessId creator;  // the command that makes it, while the status is "creating"
    ProcessId shim;
    std::vector<ProcessId> exec_shims;  // of processes that joined; some may have ended
    std::vector<std::string> cgroups;   // directories its processes on the host are in
    std::vector<std::string>
        cgroups_created;  // those of them, and of their parents, that are ours to remove
    std::string scope;    // of systemd, that its cgroup is; empty: none
    // Whether the guest has made it and holds its process; otherwise (an agent before extension 3)
    // `start` does both.
    bool held = false;
    bool paused_before_start = false;  // while it is paused
    // Only between create and start, because it lets its holder be the shim; empty when held.
    std::string token;
};
std::string Encode(const ContainerRecord& record);
Result<ContainerRecord> ParseContainerRecord(std::string_view text);

// A network device of the machine's that is no tap.
struct CardRecord {
    Card card;
    std::string driver;  // that a physical one had, and shall have again
    int64_t below = 0;   // index of the link that a macvtap is above
    Network held;        // what the namespace held of its link, which goes with the driver
    bool operator==(const CardRecord&) const = default;
};

// How the sandbox's network was reached, to undo it, and what the guest has of it, to follow it.
struct NetworkRecord {
    std::string path;    // of its namespace; empty: that of the sandbox's own container's shim
    uint64_t inode = 0;  // which one it was; 0: none
    std::vector<std::string> links;  // that may be joined to the machine's taps
    bool follows = false;            // the guest can be told of changes
    Network told;
    LinkPolicy policy;
    std::vector<CardRecord> cards;  // never fewer: what was plugged in stays
};

// A file that a VM was made of.
struct Asset {
    std::string path;
    bool chosen = false;  // by the container's annotations, not by the host
};
struct VmAssets {
    Asset hypervisor, kernel, image;  // image: or the initrd that is the root
};

struct SandboxRecord {
    std::string id;
    std::string vm_name;  // under which cc-proxy knows the VM
    std::string vm_directory;
    std::string proxy_socket;
    // What to start when nobody listens there; empty in a record of an older runtime: nothing.
    std::string proxy_executable;
    std::string proxy_log_level;
    std::string proxy_ksm;
    ProcessId keeper;
    ProcessId vmm;
    VmAssets assets;
    NetworkRecord network;
    // Made for several containers: its cgroup has their common parent's limits, not those of one.
    bool pod = false;
    std::vector<std::string> cgroups;        // of the VM and of the shims of exec
    std::vector<std::string> cgroups_below;  // those of them that are in the container's
    std::vector<std::string> cgroups_created;
    std::string scope;  // as the container's
};
std::string Encode(const SandboxRecord& record);
Result<SandboxRecord> ParseSandboxRecord(std::string_view text);

}  // namespace cc::runtime

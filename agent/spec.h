// SPDX-License-Identifier: Apache-2.0
// What a container and a process in it shall be, in the executor's own terms. Comes from an OCI
// configuration (our extension, spec_oci.cc) or from the fields of 3.0 (spec_fields.cc); the
// executor does not know which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/capabilities.h"
#include "agent/disks.h"
#include "agent/mount_options.h"
#include "agent/resources.h"
#include "base/result.h"
#include "protocol/agent_messages.h"
#include "protocol/oci_hooks.h"
#include "protocol/seccomp_filter.h"

namespace cc::agent {

struct Rlimit {
    int resource = 0;  // RLIMIT_...
    std::string name;
    uint64_t soft = 0;
    uint64_t hard = 0;
};

struct UserSpec {
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::vector<uint32_t> additional_gids;
    // 3.0 sends texts that may be names: "user" or "user:group". When there is one it decides, and
    // is looked up in the container's own /etc/passwd and /etc/group; the numbers above do not
    // count then.
    std::string by_name;
    std::vector<std::string> additional_groups;
};

// As sched_setattr(2) takes it.
struct SchedulerSpec {
    uint32_t policy = 0;  // SCHED_...
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t flags = 0;                              // SCHED_FLAG_...
    uint64_t runtime = 0, deadline = 0, period = 0;  // nanoseconds
};

struct ProcessSpec {
    bool terminal = false;
    uint16_t rows = 0;  // of the terminal; 0: not said
    uint16_t columns = 0;
    UserSpec user;
    std::vector<std::string> args;  // at least one
    std::vector<std::string> env;   // "NAME=value"
    std::string cwd = "/";          // absolute
    CapabilitySets capabilities;
    bool no_new_privileges = false;
    std::vector<Rlimit> rlimits;
    std::optional<int> oom_score_adj;
    unsigned umask = 022;
    std::optional<int> io_priority;  // class and level as ioprio_set(2) takes them
    std::optional<SchedulerSpec> scheduler;
    // Instead of a program: a connection to this TCP port of the machine's loopback; 0: none.
    uint16_t connect = 0;
    // Of a process that joins: the cgroup for it, by its path from the container's; empty: wherever
    // the container takes processes.
    std::string cgroup;
    std::vector<int> cpus;  // that a process which joins is bound to; empty: the container's
};

// `size` ids from `container` on, in a namespace or on a file system, are those from `host` on in
// the VM.
struct IdMapping {
    uint32_t container = 0;
    uint32_t host = 0;
    uint32_t size = 0;
};
struct IdMappings {
    std::vector<IdMapping> uids;
    std::vector<IdMapping> gids;
    bool empty() const { return uids.empty() && gids.empty(); }
};

struct MountSpec {
    std::string destination;  // absolute, in the container
    std::string type;
    std::string source;
    MountOptions options;
    IdMappings id_map;  // empty: ids are what they are
};

struct DeviceSpec {
    std::string path;
    uint32_t type = 0;  // S_IFCHR, S_IFBLK or S_IFIFO
    uint32_t major = 0;
    uint32_t minor = 0;
    uint32_t mode = 0666;
    uint32_t uid = 0;
    uint32_t gid = 0;
    bool disk = false;  // of the machine's, whose numbers these are
};

// Of a time namespace: what is added to the VM's clock of this name.
struct TimeOffset {
    std::string clock;  // "boottime", "monotonic"
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
};

struct ContainerSpec {
    std::string id;
    std::string rootfs;             // relative to the shared directory, or to those of root disks
    bool on_disk = false;           // the latter (root_disk.h)
    std::optional<Disk> root_disk;  // once it is there (UseDisks)
    std::string hostname;
    std::string domainname;
    bool read_only_root = false;
    uint64_t root_propagation = 0;  // MS_PRIVATE, MS_SHARED ... of the container's root; 0: private
    std::vector<MountSpec> mounts;  // in order
    std::vector<DeviceSpec> devices;
    std::vector<std::string> masked_paths;
    std::vector<std::string> read_only_paths;
    std::vector<std::pair<std::string, std::string>> sysctl;
    ResourceSpec resources;
    std::optional<SeccompFilter> seccomp;
    std::vector<OciHook> start_hooks;
    std::string hook_state;  // their standard input
    // Mount and cgroup namespaces are always new; pid, ipc and uts namespaces are, or are those of
    // these containers of the pod.
    std::string pid_of, ipc_of, uts_of;
    // These are new when asked for.
    bool user_namespace = false;
    IdMappings id_map;  // of the user namespace
    bool time_namespace = false;
    std::vector<TimeOffset> time_offsets;
    std::optional<unsigned long> personality;  // PER_...
    ProcessSpec process;
};

// Container ids name directories and cgroups.
Result<void> CheckContainerId(std::string_view id);

// Of a NEWCONTAINER message: from its "oci" when it has one. `pod_hostname` is what a container
// without a hostname gets.
Result<ContainerSpec> ParseContainer(const NewContainer& message, const std::string& pod_hostname);
// Of an EXECCMD message. What it leaves open (capabilities, limits) is as the container's first
// process has it.
Result<ProcessSpec> ParseExec(const ExecCommand& message, const ProcessSpec& container);

// Of the text of an OCI linux.resources object.
Result<ResourceSpec> ParseResources(std::string_view json);

// The two sources, for ParseContainer and ParseExec.
Result<ContainerSpec> ContainerFromOci(const NewContainer& message);
Result<ContainerSpec> ContainerFromFields(const NewContainer& message);
Result<ProcessSpec> ProcessFromOci(std::string_view json, const ProcessSpec* container);
Result<ProcessSpec> ProcessFromFields(const AgentProcess& process, const ProcessSpec* container);
// What execve(2) could never take, and what no process can do without.
Result<void> CheckProcess(const ProcessSpec& process);

}  // namespace cc::agent

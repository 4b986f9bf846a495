// SPDX-License-Identifier: Apache-2.0
// What the agent is told about a container and its processes.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "protocol/agent_messages.h"
#include "runtime/oci/spec.h"
#include "runtime/storage/share_plan.h"

namespace cc::runtime {

// A root file system on a disk of the machine's.
struct GuestRoot {
    std::string name;  // as 3.0 guesses it
    std::string serial;
    std::string type;
    std::vector<std::string> options;
};
struct GuestDisks {
    std::vector<AgentDisk> devices;
    std::optional<GuestRoot> root;
};

struct GuestDetails {
    std::string hook_state = {};  // JSON
    bool hold = false;            // the agent makes the container and keeps its process waiting
    // Of a machine that has grown: the agent makes the container when its kernel has taken all of
    // it into use. 0: not told.
    int64_t memory_mib = 0;
    int64_t cpus = 0;
    GuestDisks disks = {};  // for agents from kDiskExtension on
    // In place of the rules, for agents from kSeccompExtension on.
    std::optional<SeccompFilter> seccomp = {};
};

// The filter of linux.seccomp, if there is one.
Result<std::optional<SeccompFilter>> MakeSeccompFilter(const OciSpec& spec);

// NEWCONTAINER with the configuration whole and, beside it, 3.0's fields. In the configuration the
// sources of bind mounts are the guest's, hooks of the host are left out, and the hooks' state
// stands in "state" for those that run in the guest; namespaces have no paths but the names of
// their `owners`. Too much for one control message is an error.
Result<std::string> NewContainerMessage(const OciSpec& spec, const std::string& container_id,
                                        const SharePlan& plan, const NamespaceOwners& owners = {},
                                        const GuestDetails& details = {});

// How much longer than usual the agent may take to start the container: the timeouts of its
// startContainer hooks.
std::chrono::seconds StartHooksPatience(const OciSpec& spec);

// EXECCMD; `process_json` is the OCI process object that `process` was parsed from. `cgroup`: a
// path below the container's, for agents from kSubCgroupExtension on; empty: none is named.
Result<std::string> ExecMessage(const OciProcess& process, const std::string& process_json,
                                const std::string& container_id, const std::string& cgroup = "");

}  // namespace cc::runtime

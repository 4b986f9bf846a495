// SPDX-License-Identifier: Apache-2.0
// The OCI runtime configuration (config.json): the document whole, as the agent gets it, and typed
// access to the parts that matter on the host.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "protocol/agent_messages.h"

namespace cc::runtime {

constexpr size_t kMaxSpecBytes = 4 * 1024 * 1024;
// The agent reads the document inside a message of ours and parses at most 64 levels.
constexpr size_t kMaxSpecDepth = 60;

struct OciProcess {
    bool terminal = false;
    int64_t rows = 0, columns = 0;  // consoleSize; 0: not given
    int64_t uid = 0, gid = 0;
    std::vector<int64_t> additional_gids;
    std::vector<std::string> args;
    std::vector<std::string> env;  // "NAME=value"
    std::string cwd;
    bool no_new_privileges = false;
    AgentCapabilities capabilities;
};

struct OciMount {
    std::string destination;
    std::string type;
    std::string source;
    std::vector<std::string> options;

    bool Has(std::string_view option) const;
    bool IsBind() const { return type == "bind" || Has("bind") || Has("rbind"); }
};

struct OciNamespace {
    std::string type;
    std::string path;  // empty: a new one
};

// Of a container that shares namespaces with others in its VM: type -> the other's id.
using NamespaceOwners = std::map<std::string, std::string>;

struct OciSpec {
    std::string version;
    std::string root_path;  // as written
    bool root_read_only = false;
    std::optional<OciProcess> process;
    std::vector<OciMount> mounts;
    std::vector<OciNamespace> namespaces;
    std::string cgroups_path;
    std::map<std::string, std::string> annotations;
    std::shared_ptr<const Json> document;

    const OciNamespace* Namespace(std::string_view type) const;
    const Json& Resources() const;  // linux.resources; null when there are none
};

// Wrong types, deep nesting and oversize are errors; unknown keys are not looked at.
Result<OciSpec> ParseSpec(std::string_view text);
Result<OciProcess> ParseProcess(const Json& process);

// What every container needs, beyond the right types.
Result<void> CheckSpec(const OciSpec& spec);
Result<void> CheckProcess(const OciProcess& process);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// Template verbs: how the runtime talks to a template's keeper (`cc-vmm --template`), on the
// SOCK_SEQPACKET UNIX socket `template.sock` of the template's directory. As with the Vm verbs
// (protocol/vm_verbs.h) one packet is one JSON object, and there is one reply a request.
//
//   request   {"verb":"take","key":"...","directory":"/run/clear-containers/vm/1f..."}
//   reply     {"ok":true,"vm":{...}}                a VM of the pool, which has that directory now
//             {"ok":true} + two descriptors         none is ready: memory and state, to clone from
//             {"error":"what, where, why"}
//
// The directory has a name made of a hash of the key; the key itself says everything that the
// template depends on, and must be the same to the letter for a VM to be handed out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"

namespace cc {

constexpr std::string_view kTemplateSocketName = "template.sock";
constexpr std::string_view kTemplateLogName = "template.log";
constexpr std::string_view kTemplateLockName = "lock";
// Why there is no template, left by a keeper that could not make one: protocol/template_failure.h.
constexpr std::string_view kTemplateFailureName = "failed";
// In it a directory of the keeper's (its pid) with one for each VM of the pool.
constexpr std::string_view kTemplatePoolName = "pool";

// What `cc-vmm --template` reads from --config-fd.
struct TemplateConfig {
    std::string directory;  // the template's own, 0700; made by whoever starts the keeper
    std::string key;
    VmConfig vm;       // what clones shall be; name, directory and origin do not count
    int64_t pool = 0;  // VMs to keep ready
};
std::string Encode(const TemplateConfig& config);
Result<TemplateConfig> ParseTemplateConfig(std::string_view text);

enum class TemplateVerb {
    kTake,    // answered when the template is there, or cannot be made
    kWait,    // the key -> {} when it is there, without taking anything
    kStatus,  // {} -> TemplateStatus, at once
    kStop,    // {} -> {}; the keeper, the pool and the template are gone then. VMs live on.
};
struct TemplateRequest {
    TemplateVerb verb = TemplateVerb::kStatus;
    std::string key;        // kTake, kWait
    std::string directory;  // kTake: absolute, an empty directory on the same file system
};
std::string Encode(const TemplateRequest& request);
Result<TemplateRequest> ParseTemplateRequest(std::string_view text);

struct TemplateStatus {
    int64_t pid = 0;
    bool ready = false;        // the template is there
    int64_t memory_bytes = 0;  // that the host spends on it
    int64_t pool = 0;          // VMs that shall be ready
    int64_t pool_ready = 0;
    int64_t clones = 0;     // handed out so far, those of the pool included
    int64_t started_s = 0;  // Unix time
    std::string kernel;     // for people: what it is a template of
    std::string machine;
    int64_t memory_mib = 0;
};
struct TemplateReply {
    std::string error;  // empty: success
    bool pooled = false;
    VmStatus vm;            // of kTake, when pooled
    TemplateStatus status;  // of kStatus
};
std::string Encode(const TemplateReply& reply, TemplateVerb to);
Result<TemplateReply> ParseTemplateReply(std::string_view text);

}  // namespace cc

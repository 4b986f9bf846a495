// SPDX-License-Identifier: Apache-2.0
// What of a VM outlives the proxy: enough for the next one to find its agent, to be recognised by
// it, and to know whose token is whose. Where the streams are is not here: the peers know that.
//
// As text it is lines of JSON: the first is all there was to say at one time, each further one is a
// session that has come, changed or gone since. A process that is killed in the middle of such a
// line leaves it without its end; it counts as not written, and nobody has heard of it yet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "protocol/agent_messages.h"
#include "protocol/client_messages.h"

namespace cc::proxy {

enum class ProcessState {
    kNone,
    kReserved,  // its command waits for its shim
    kSent,      // to the agent
    kStarted,
};

struct SessionRecord {
    uint64_t base = 0;
    std::string token;
    uid_t user = 0;
    ProcessState process = ProcessState::kNone;
    bool exec = false;
    std::string container;
    uint64_t request = 0;  // id of the command that is to start, or has started, its process
};

// A token whose process has been, and the id of the command that had started it.
struct SpentRecord {
    uint64_t base = 0;
    std::string token;
    uid_t user = 0;
    uint64_t request = 0;
};

struct VmRecord {
    std::string name;  // of the record
    RegisterVm request;
    bool unregistered = false;  // it is only served to its end
    int extension = 0;
    ReadyOffer offer;
    std::string marker;
    uint32_t epoch = 0;
    uint64_t next_base = 0;
    std::vector<SessionRecord> sessions;
    std::vector<SpentRecord> spent;  // the last of them
};

std::string Encode(const VmRecord& record);
// Further lines.
std::string EncodeChange(const SessionRecord& session);
std::string EncodeGone(uint64_t base);
std::string EncodeGone(const SpentRecord& spent);
Result<VmRecord> ParseVmRecord(std::string_view text);

}  // namespace cc::proxy

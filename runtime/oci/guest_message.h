// SPDX-License-Identifier: Apache-2.0
// What the agent is told about a container and its processes.
#pragma once

#include <string>

#include "protocol/agent_messages.h"
#include "runtime/oci/spec.h"
#include "runtime/storage/share_plan.h"

namespace cc::runtime {

// NEWCONTAINER with the configuration whole (bind sources rewritten) and, beside it, 3.0's fields.
// Too much for one control message is an error.
// `hold`: the agent makes the container and keeps its process waiting.
Result<std::string> NewContainerMessage(const OciSpec& spec, const std::string& container_id,
                                        const SharePlan& plan, bool hold = false);

// EXECCMD; `process_json` is the OCI process object that `process` was parsed from.
Result<std::string> ExecMessage(const OciProcess& process, const std::string& process_json,
                                const std::string& container_id);

}  // namespace cc::runtime

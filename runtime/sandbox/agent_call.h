// SPDX-License-Identifier: Apache-2.0
// Commands to the agent in a sandbox's VM, through cc-proxy. As in 3.0, each has a connection of
// its own.
#pragma once

#include <chrono>
#include <string>

#include "client/proxy_client.h"
#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Answers from a healthy guest take milliseconds, but under emulation on a busy host seconds.
constexpr std::chrono::milliseconds kAgentDeadline{30000};

struct Attached {
    ProxyClient client;
    std::string token;  // of the stream that was asked for
    std::string uri;    // where a shim connects
};

// `streams`: 0 or 1. No proxy is started for this: one that has gone knows nothing of the VM.
Result<Attached> Attach(const SandboxRecord& sandbox, int streams);

// An error of the agent's is its own text, without what the proxy puts in front of it.
Result<std::string> CallAgent(ProxyClient& client, ControlCode command, const std::string& data,
                              const std::string& token = "",
                              std::chrono::milliseconds deadline = kAgentDeadline);

}  // namespace cc::runtime

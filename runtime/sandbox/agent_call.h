// SPDX-License-Identifier: Apache-2.0
// Commands to the agent in a sandbox's VM, through cc-proxy. As in 3.0, each has a connection of
// its own.
#pragma once

#include <chrono>
#include <string>

#include "client/proxy_client.h"
#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/shim_start.h"
#include "runtime/state/store.h"

namespace cc::runtime {

// Answers from a healthy guest take milliseconds, but under emulation on a busy host seconds.
constexpr std::chrono::milliseconds kAgentDeadline{30000};

// Of the proxy that serves the sandbox, and how to start it when it has gone.
ProxyAddress ProxyOf(const SandboxRecord& sandbox);
// The same without the means to start one: for what only matters to a proxy that is there.
ProxyAddress RunningProxyOf(const SandboxRecord& sandbox);

struct Attached {
    ProxyClient client;
    ShimStart shim;     // for the shim of the stream that was asked for
    int extension = 0;  // of the VM's agent, as far as cc-proxy tells
};

// `streams`: 0 or 1; `connection`: of the shim of that one, or -1. A proxy that has gone is started
// again: it adopts the VM, which takes an answer of the guest.
Result<Attached> Attach(const SandboxRecord& sandbox, int streams, int connection = -1,
                        std::chrono::milliseconds deadline = kAgentDeadline);

// An error of the agent's is its own text, without what the proxy puts in front of it.
Result<std::string> CallAgent(ProxyClient& client, ControlCode command, const std::string& data,
                              const std::string& token = "",
                              std::chrono::milliseconds deadline = kAgentDeadline);

// One command to the agent that has the container, on a connection of its own.
Result<std::string> CallGuest(const Store& store, const ContainerRecord& container,
                              ControlCode command, const std::string& data);

}  // namespace cc::runtime

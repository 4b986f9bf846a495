// SPDX-License-Identifier: Apache-2.0
// What tests say to the agent.
#pragma once

#include <algorithm>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/agent/host_side.h"

namespace cc::agent {

inline AgentProcess Shell(const std::string& script, uint64_t stdio) {
    AgentProcess process;
    process.user = "0";
    process.group = "0";
    process.stdio = stdio;
    process.stderr_sequence = stdio + 1;
    process.args = {"sh", "-c", script};
    process.envs = {{"PATH", "/bin"}};
    process.workdir = "/";
    return process;
}

inline std::string NewContainerOf(const std::string& id, const AgentProcess& process,
                                  const std::string& oci = "", bool hold = false) {
    NewContainer message;
    message.id = id;
    message.image = "c";
    message.rootfs = "rootfs";
    message.process = process;
    message.oci = oci;
    message.hold = hold;
    return Encode(message);
}

inline std::string ExecIn(const std::string& id, const AgentProcess& process) {
    return Encode(ExecCommand{id, process, ""});
}

inline void Acknowledged(const Answer& answer) {
    CHECK_MESSAGE(answer.code == ControlCode::kAck, answer.payload);
}

// Random, so that a lost, doubled or moved block shows.
inline std::string Noise(size_t size) {
    std::string bytes(size, '\0');
    std::mt19937_64 generator(42);
    for (size_t i = 0; i + 8 <= size; i += 8) {
        const uint64_t value = generator();
        std::copy_n(reinterpret_cast<const char*>(&value), 8,
                    bytes.begin() + static_cast<ptrdiff_t>(i));
    }
    return bytes;
}

}  // namespace cc::agent

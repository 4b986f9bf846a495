// SPDX-License-Identifier: Apache-2.0
// Where a process's stdout or stderr is on its way from the agent to the shim, with an agent that
// knows offsets (extension 2). No byte is kept here: the agent has them until they are
// acknowledged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "protocol/client_messages.h"
#include "protocol/window.h"

namespace cc::proxy {

struct OutputStream {
    uint64_t received = 0;   // what the shim has been sent, or had when it came
    StreamWindow window;     // as the agent was told
    uint64_t may_reach = 0;  // the highest limit that the agent was ever told
    bool ended = false;      // the shim has been sent the end

    // A shim begins, or goes on, at the window's offset.
    void Begin(const StreamWindow& at) {
        received = at.offset;
        window = at;
        may_reach = std::max(may_reach, at.limit);
        ended = false;
    }
    bool Grow(const StreamWindow& to) {
        if (to.offset < window.offset || to.limit < window.limit || to.offset > received)
            return false;
        window = to;
        may_reach = std::max(may_reach, to.limit);
        return true;
    }
    // The part of the agent's bytes that is new to the shim. Nothing also for bytes beyond what it
    // has: those before them are on their way once more.
    std::string_view TakeNew(uint64_t offset, std::string_view payload) {
        if (offset > received || offset + payload.size() <= received) return {};
        payload.remove_prefix(static_cast<size_t>(received - offset));
        received += payload.size();
        return payload;
    }
    // Version 2 has no windows: what has left for the shim, all but `queued` bytes, is taken for
    // written, and the agent is told in its place.
    uint64_t Owed(size_t queued) const {
        return received - window.offset - std::min<uint64_t>(queued, received - window.offset);
    }
    // It is worth telling at once.
    bool Due(size_t queued) const {
        const uint64_t owed = Owed(queued);
        return owed >= kAcknowledgeAfter || (ended && owed > 0 && owed == received - window.offset);
    }
    void Tell(size_t queued) {
        const uint64_t taken = window.offset + Owed(queued);
        Grow({taken, std::max(window.limit, taken + kStreamWindow)});
    }
};

}  // namespace cc::proxy

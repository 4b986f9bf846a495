// SPDX-License-Identifier: Apache-2.0
// The answers that the control channel has given in extension 2, by the ids of their requests: a
// request that comes again, because the proxy died before its answer was passed on, is answered
// the same and not carried out twice.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "protocol/agent_frame.h"

namespace cc::agent {

struct CommandAnswer {
    ControlCode code = ControlCode::kAck;  // or kError
    std::string text;
};

class Answers {
  public:
    static constexpr size_t kMaxKept = 128;
    // Longer ones are lists; asking for those again does no harm.
    static constexpr size_t kMaxText = 16 * 1024;

    const CommandAnswer* Find(uint64_t id) const {
        for (const auto& [known, answer] : kept_)
            if (known == id) return &answer;
        return nullptr;
    }
    void Keep(uint64_t id, CommandAnswer answer) {
        if (answer.text.size() > kMaxText) return;
        kept_.emplace_back(id, std::move(answer));
        if (kept_.size() > kMaxKept) kept_.pop_front();
    }
    void Clear() { kept_.clear(); }

  private:
    std::deque<std::pair<uint64_t, CommandAnswer>> kept_;
};

}  // namespace cc::agent

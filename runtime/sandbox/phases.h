// SPDX-License-Identifier: Apache-2.0
// How long the parts of a command took (--timing, and the log at debug).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/client_messages.h"

namespace cc::runtime {

class Phases {
  public:
    using Clock = std::chrono::steady_clock;

    // The time since the last mark, or since the beginning, was spent on `step`, which is part of
    // `phase`. The log gets the steps, the table the phases.
    void Mark(std::string_view step, std::string_view phase);
    // As Mark for the step in which the guest came up, split into phases by the guest's own clock
    // when it told it.
    void MarkBoot(std::string_view step, const std::optional<AgentInfo>& agent);
    // For people, one phase a line.
    std::string Table() const;

  private:
    struct Phase {
        std::string name;
        Clock::duration time;
    };
    void Add(std::string_view phase, Clock::duration time);
    Clock::duration Lap(std::string_view step);

    Clock::time_point begin_ = Clock::now();
    Clock::time_point last_ = begin_;
    std::vector<Phase> phases_;
};

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/phases.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

int64_t Milliseconds(Phases::Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::string Line(std::string_view name, Phases::Clock::duration time) {
    char line[80];
    std::snprintf(line, sizeof line, "  %-22.*s %8.3f s\n", static_cast<int>(name.size()),
                  name.data(), std::chrono::duration<double>(time).count());
    return line;
}

}  // namespace

Phases::Clock::duration Phases::Lap(std::string_view step) {
    const auto now = Clock::now();
    const auto time = now - std::exchange(last_, now);
    Log(LogLevel::kDebug, "step done",
        {{"step", std::string(step)}, {"ms", std::to_string(Milliseconds(time))}});
    return time;
}

void Phases::Add(std::string_view phase, Clock::duration time) {
    if (phases_.empty() || phases_.back().name != phase)
        phases_.push_back({std::string(phase), {}});
    phases_.back().time += time;
}

void Phases::Mark(std::string_view step, std::string_view phase) {
    Add(phase, Lap(step));
}

void Phases::MarkBoot(std::string_view step, const std::optional<AgentInfo>& agent) {
    const auto whole = Lap(step);
    if (!agent) return Add("guest", whole);
    // The guest's clock starts with its kernel; before that is the firmware's.
    const auto kernel = std::chrono::milliseconds(std::max<int64_t>(agent->started_ms, 0));
    const auto ready =
        std::chrono::milliseconds(std::max<int64_t>(agent->ready_ms - agent->started_ms, 0));
    Add("firmware", std::max(whole - kernel - ready, Clock::duration::zero()));
    Add("kernel", kernel);
    Add("agent", ready);
}

std::string Phases::Table() const {
    std::string table;
    for (const auto& phase : phases_)
        table += Line(phase.name, phase.time);
    return table + Line("total", last_ - begin_);
}

}  // namespace cc::runtime

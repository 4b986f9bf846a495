// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "protocol/container_control.h"
#include "runtime/app.h"
#include "runtime/duration.h"
#include "runtime/sandbox/agent_call.h"
#include "runtime/stats.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How soon a process that was killed for want of memory is told of.
constexpr milliseconds kOomPeriod{1000};

Result<CgroupFiles> ReadStats(const Store& store, const ContainerRecord& container) {
    CC_ASSIGN(const std::string answer, CallGuest(store, container, ControlCode::kContainerStats,
                                                  Encode(OneContainer{container.id})));
    return ParseCgroupFiles(answer);
}

Result<void> PrintEvent(const std::string& line) {
    std::printf("%s\n", line.c_str());
    if (std::fflush(stdout) != 0) return FailErrno("writing to standard output");
    return {};
}

// Prints until the container ends.
class Follower {
  public:
    Follower(const Store& store, const ContainerRecord& container, milliseconds interval)
        : store_(store), container_(container), interval_(interval) {}

    Result<void> Run() {
        auto shim = Process::Find(container_.shim.pid, container_.shim.start_time);
        if (!shim) return {};
        if (const auto stats = ReadStats(store_, container_)) kills_ = OomKills(*stats);
        next_ = Clock::now() + interval_;
        while (true) {
            const auto rest = std::chrono::ceil<milliseconds>(next_ - Clock::now());
            const auto pause = std::clamp(rest, milliseconds(0), kOomPeriod);
            CC_ASSIGN(const bool ended, shim->WaitEnd(pause));
            CC_TRY(Look(!ended));
            if (ended) return {};
        }
    }

  private:
    Result<void> Look(bool running) {
        const auto stats = ReadStats(store_, container_);
        if (!stats) {
            if (running)
                Log(LogLevel::kError, "reading the statistics", {{"why", stats.error().message}});
        } else if (OomKills(*stats) > kills_) {
            kills_ = OomKills(*stats);
            CC_TRY(PrintEvent(OomEvent(container_.id)));
        }
        if (!running || Clock::now() < next_) return {};
        next_ += interval_ * ((Clock::now() - next_) / interval_ + 1);
        return stats ? PrintEvent(StatsEvent(container_.id, *stats)) : Result<void>();
    }

    const Store& store_;
    const ContainerRecord& container_;
    const milliseconds interval_;
    Clock::time_point next_;
    uint64_t kills_ = 0;
};

Result<int> Events(App& app, const CliValues& own) {
    const std::string text = own.Get("interval", "5s");
    const auto interval = ParseDuration(text);
    if (!interval)
        return Fail(Cat("--interval ", Quoted(text, 64), " is not a duration such as 5s or 500ms"));
    if (interval->count() <= 0) return Fail("duration interval must be greater than 0");
    const std::string id = own.Get("container-id");
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const ContainerRecord container, store.LoadContainer(id));
    const Status status = CurrentStatus(container, store);
    if (!IsInGuest(status, container))
        return Fail(Cat("container with id ", id, " is not running (it is ", Name(status), ")"));
    if (own.Has("stats")) {
        CC_ASSIGN(const CgroupFiles stats,
                  Context(Cat("container ", Quoted(id, 64)), ReadStats(store, container)));
        CC_TRY(PrintEvent(StatsEvent(id, stats)));
        return 0;
    }
    const auto rounded = std::max(std::chrono::ceil<milliseconds>(*interval), milliseconds(1));
    CC_TRY(Follower(store, container, rounded).Run());
    return 0;
}

}  // namespace

CliCommand EventsVerb() {
    return {.name = "events",
            .help = "print what a container uses, and when it runs out of memory, as JSON lines",
            .options = {ContainerId(),
                        {.names = "--interval",
                         .value = "DURATION",
                         .help = "time between two lines of statistics (default 5s)"},
                        {.names = "--stats", .value = "", .help = "print the statistics once"}},
            .stop_at_positional = false,
            .run = Run(Events)};
}

}  // namespace cc::runtime

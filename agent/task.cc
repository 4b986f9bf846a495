// SPDX-License-Identifier: Apache-2.0
#include "agent/task.h"

#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/executor/child.h"
#include "agent/executor/report.h"
#include "base/text.h"

namespace cc::agent {

namespace {

// The child must not keep the agent's ends of other processes' pipes open.
int KeepOnly(int socket) {
    constexpr int kKept = 3;
    if (socket != kKept && ::dup3(socket, kKept, O_CLOEXEC) < 0) return -1;
    return ::close_range(kKept + 1, ~0U, 0) < 0 ? -1 : kKept;
}

int RunTask(int socket, const std::function<Result<void>()>& work) {
    const int report = KeepOnly(socket);
    if (report < 0) return 1;
    if (const auto result = work()) {
        ReportReady(report);
        return 0;
    } else {
        ReportError(report, result.error());
        return 1;
    }
}

Result<void> StartTask(uv::Loop& loop, Reaper& reaper, std::chrono::milliseconds deadline,
                       const std::function<Result<void>()>& work,
                       const std::function<void(Result<void>)>& done) {
    CC_ASSIGN(FdPair report, MakeSocketPair(SOCK_SEQPACKET));
    CC_ASSIGN(Child child, Fork({}, [&] { return RunTask(report.second.get(), work); }));
    reaper.Watch(child.pid, [](int) {});
    report.second.Reset();
    // Both live as long as the callback is owed.
    auto reader = std::make_shared<std::unique_ptr<ReportReader>>();
    const auto kept = std::make_shared<Child>(std::move(child));
    const auto finished = [reader, done, kept](Result<ReportReader::Outcome> outcome) {
        const auto keep = std::move(*reader);
        if (!outcome) (void)SignalChild(*kept, SIGKILL);
        done(outcome ? Result<void>{} : Failure(outcome.error()));
    };
    CC_ASSIGN(*reader, ReportReader::Open(loop, std::move(report.first), deadline,
                                          {.held = {}, .done = finished}));
    return {};
}

}  // namespace

void RunInChild(uv::Loop& loop, Reaper& reaper, std::string what,
                std::chrono::milliseconds deadline, const std::function<Result<void>()>& work,
                std::function<void(Result<void>)> done) {
    const auto with_context = [what = std::move(what), done = std::move(done)](
                                  Result<void> result) { done(Context(what, std::move(result))); };
    if (auto started = StartTask(loop, reaper, deadline, work, with_context); !started)
        with_context(std::move(started));
}

}  // namespace cc::agent

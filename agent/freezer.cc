// SPDX-License-Identifier: Apache-2.0
#include "agent/freezer.h"

#include <utility>

#include "base/file.h"
#include "base/text.h"

namespace cc::agent {

namespace {

constexpr size_t kSmallFile = 4096;
constexpr std::chrono::milliseconds kPause{2};
// A process that waits for a disk or for the file share cannot be held before it has what it waits
// for. Below the 30 s that the proxy waits for an answer.
constexpr std::chrono::seconds kFreezeDeadline{10};

Result<void> Tell(const std::string& path, bool frozen) {
    return WriteExisting(path + "/cgroup.freeze", frozen ? "1" : "0");
}

// What the kernel says has been reached.
Result<bool> IsFrozen(const std::string& path) {
    CC_ASSIGN(const std::string events, ReadFile(path + "/cgroup.events", kSmallFile));
    for (const auto& line : Split(events, '\n'))
        if (line.starts_with("frozen ")) return line == "frozen 1";
    return Fail(Cat(path, "/cgroup.events does not say whether it is frozen"));
}

}  // namespace

bool Freezer::Wanted(const std::string& path) {
    return Trim(ReadFile(path + "/cgroup.freeze", kSmallFile).value_or("")) == "1";
}

void Freezer::Begin(const std::string& path, bool frozen, Done done) {
    path_ = path;
    frozen_ = frozen;
    done_ = std::move(done);
    deadline_ = std::chrono::steady_clock::now() + kFreezeDeadline;
    if (auto told = Tell(path, frozen); !told) return Finish(std::move(told));
    poll_.Start(std::chrono::milliseconds(0));
}

void Freezer::Look() {
    const auto frozen = IsFrozen(path_);
    if (!frozen) return Finish(Failure(frozen.error()));
    if (*frozen == frozen_) return Finish({});
    if (std::chrono::steady_clock::now() < deadline_) return poll_.Start(kPause);
    if (frozen_) (void)Tell(path_, false);
    Finish(Fail(Cat("some of its processes did not ", frozen_ ? "stop" : "go on", " within ",
                    kFreezeDeadline.count(), " s"),
                ETIMEDOUT));
}

void Freezer::Finish(Result<void> result) {
    const auto done = std::exchange(done_, nullptr);
    done(std::move(result));
}

}  // namespace cc::agent

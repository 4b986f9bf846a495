// SPDX-License-Identifier: Apache-2.0
#include "agent/container.h"

#include <algorithm>
#include <csignal>

#include "agent/executor/understudy.h"
#include "agent/root_disk.h"
#include "base/text.h"

namespace cc::agent {

namespace {
// The kernel needs a moment to let go of a cgroup whose last process has just been reaped.
constexpr std::chrono::milliseconds kRemovalPause{5};
constexpr int kRemovalTries = 1000;  // 5 s
}  // namespace

Container::Container(const Surroundings& surroundings, ContainerSpec spec)
    : surroundings_(surroundings),
      spec_(std::move(spec)),
      freezer_(surroundings.loop),
      sweep_(surroundings.loop, [this] { gone_.clear(); }),
      removal_(surroundings.loop, [this] { TryRemove(); }) {}

void Container::Start(const ContainerStart& how, Done done) {
    if (auto made = MakeCgroup(how.understudy); !made) return done(std::move(made));
    ProcessStart start;
    start.understudy = how.understudy;
    start.process = &spec_.process;
    start.stdio = how.stdio;
    start.stderr_sequence = how.stderr_sequence;
    start.shared = how.shared;
    start.ended = [this] { FirstEnded(); };
    if (how.hold)
        start.held = [this] {
            held_ = true;
            std::exchange(started_, nullptr)({});
        };
    started_ = std::move(done);
    StartProcess(std::move(start),
                 [this](Result<void> started) { FirstStarted(std::move(started)); });
}

Result<void> Container::MakeCgroup(const Understudy* understudy) {
    if (understudy != nullptr) {
        cgroup_ = understudy->cgroup();
        return cgroup_.Limit(spec_.resources, &Understudy::Devices());
    }
    CC_ASSIGN(cgroup_,
              Cgroup::Make(Cat(surroundings_.cgroup_parent, "/", spec_.id), spec_.resources));
    return {};
}

void Container::Release(Done done) {
    held_ = false;
    started_ = std::move(done);
    processes_.front()->Release();
}

// Nobody waits when a held process was killed.
void Container::FirstStarted(Result<void> started) {
    held_ = false;
    running_ = started.has_value();
    if (!started) {
        // What has joined it while it was held does not outlive it.
        cgroup_.Kill();
        (void)cgroup_.Remove();
    }
    if (const auto done = std::exchange(started_, nullptr)) done(std::move(started));
}

void Container::FirstEnded() {
    running_ = false;
    if (!spec_.pid_of.empty()) cgroup_.Kill();
}

void Container::Exec(const ProcessSpec& process, uint64_t stdio, uint64_t stderr_sequence,
                     const Done& done) {
    // The child has its own copy from the fork on, so the specification need not outlive this call.
    ProcessStart start;
    start.process = &process;
    start.stdio = stdio;
    start.stderr_sequence = stderr_sequence;
    start.join_pidfd = processes_.front()->pidfd();
    start.ended = [] {};
    StartProcess(std::move(start), done);
}

// A place that was asked for is the only one: as with runc there is no other in its stead.
Result<Fd> Container::PlaceFor(const ProcessSpec& process) const {
    if (!process.cgroup.empty()) return cgroup_.OpenBelow(process.cgroup);
    return running_ ? cgroup_.OpenFor(processes_.front()->pid()) : cgroup_.Open();
}

void Container::StartProcess(ProcessStart start, const Done& done) {
    const auto directory = PlaceFor(*start.process);
    if (!directory) return done(Failure(directory.error()));
    start.container = &spec_;
    start.cgroup = directory->get();
    start.keyring = cgroup_.KeyringName();
    start.memory_kills = [this] { return cgroup_.MemoryKills(); };
    // Filled in below; both callbacks come later, from the loop.
    auto self = std::make_shared<const ContainerProcess*>(nullptr);
    start.started = [this, self, done](Result<void> started) {
        if (!started) Forget(*self);
        done(std::move(started));
    };
    start.ended = [this, self, ended = std::move(start.ended)] {
        Forget(*self);
        ended();
    };
    const std::string place = start.process->cgroup;
    auto process = ContainerProcess::Start(surroundings_, std::move(start));
    // The kernel takes none in a cgroup that has passed controllers on.
    if (!process && !place.empty())
        process = Context(Cat("in the cgroup ", Quoted(place)), std::move(process));
    if (!process) return done(Failure(process.error()));
    *self = process->get();
    processes_.push_back(std::move(*process));
}

void Container::Forget(const ContainerProcess* process) {
    const auto found =
        std::find_if(processes_.begin(), processes_.end(),
                     [&](const auto& candidate) { return candidate.get() == process; });
    if (found == processes_.end()) return;
    gone_.push_back(std::move(*found));
    processes_.erase(found);
    sweep_.Start(std::chrono::milliseconds(0));
}

bool Container::HasProcess(uint64_t stdio) const {
    return std::any_of(processes_.begin(), processes_.end(),
                       [&](const auto& process) { return process->stdio() == stdio; });
}

Result<void> Container::Signal(int signal, uint64_t stdio) {
    if (!running_ && !held_) return {};
    if (stdio == 0) return processes_.front()->Signal(signal);
    for (const auto& process : processes_)
        if (process->stdio() == stdio) return process->Signal(signal);
    return {};
}

Result<void> Container::SignalAll(int signal) {
    if (!held_) return running_ ? cgroup_.Signal(signal) : Result<void>();
    for (const auto& process : processes_)
        CC_TRY(process->Signal(signal));
    return {};
}

void Container::Kill() const {
    if (!processes_.empty()) cgroup_.Kill();
}

void Container::Remove(Done done) {
    removed_ = std::move(done);
    removal_tries_ = 0;
    removal_.Start(std::chrono::milliseconds(0));
}

void Container::TryRemove() {
    auto removed = processes_.empty() ? cgroup_.Remove()
                                      : Fail("processes of the container have not ended", EBUSY);
    // Its last process has taken the mount along; what the disk has not by now it will not get.
    if (removed && spec_.root_disk && IsInUse(*spec_.root_disk))
        removed = Fail("the root file system of the container is still mounted", EBUSY);
    if (!removed && removed.error().code == EBUSY && ++removal_tries_ < kRemovalTries)
        return removal_.Start(kRemovalPause);
    const auto done = std::exchange(removed_, nullptr);
    done(std::move(removed));
}

}  // namespace cc::agent

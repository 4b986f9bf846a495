// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/pool.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace cc {

namespace {

using std::chrono::milliseconds;

// The container that took one is starting; it shall have the machine to itself meanwhile.
constexpr milliseconds kAfterTake{500};
// After the host ran short of memory.
constexpr milliseconds kAfterPressure{60000};
constexpr milliseconds kAfterFailure{1000};
constexpr int kMostFailures = 5;

// A VM that failed while it was handed out may have taken its directory along. One that somebody
// else has put there meanwhile is not touched.
class MovedDirectory {
  public:
    MovedDirectory(const std::string& from, std::string to) : to_(std::move(to)) {
        known_ = ::lstat(from.c_str(), &identity_) == 0;
    }
    void Empty() const {
        struct stat there {};
        if (!known_ || ::lstat(to_.c_str(), &there) < 0 || there.st_dev != identity_.st_dev ||
            there.st_ino != identity_.st_ino)
            return;
        (void)RemoveTree(to_);
        (void)MakeDirectories(to_, 0700);
    }

  private:
    std::string to_;
    struct stat identity_ {};
    bool known_ = false;
};

}  // namespace

Pool::Pool(uv::Loop& loop, std::string directory, VmConfig vm, const SavedMachine& saved,
           int64_t size)
    : loop_(loop),
      directory_(std::move(directory)),
      vm_(std::move(vm)),
      saved_(saved),
      size_(size),
      fill_(loop, [this] { Fill(); }),
      sweep_(loop, [this] { Sweep(); }) {}

void Pool::Sweep() {
    members_.remove_if([](const Member& member) { return member.state == Member::State::kGone; });
    if (stopped_ && Count(Member::State::kLeaving) + Count(Member::State::kStarting) == 0)
        std::exchange(stopped_, nullptr)();
}

int64_t Pool::Count(Member::State state) const {
    return std::count_if(members_.begin(), members_.end(),
                         [state](const Member& member) { return member.state == state; });
}

int64_t Pool::ready() const {
    return Count(Member::State::kReady);
}

void Pool::FillLater(milliseconds when) {
    if (!stopping_ && size_ > 0) fill_.Start(when);
}

// One at a time: filling is not to be felt.
void Pool::Fill() {
    if (stopping_ || Count(Member::State::kStarting) > 0 || ready() >= size_) return;
    StartOne();
}

void Pool::StartOne() {
    const auto member = members_.emplace(members_.end());
    VmConfig vm = vm_;
    vm.origin = VmOrigin::kPooled;
    vm.name = Cat("pool-", ++serial_);
    vm.directory = Cat(directory_, "/", serial_);
    auto state = saved_.OpenState();
    SavedFiles files = saved_.files();
    if (state) files.state = state->get();
    auto started =
        state
            ? ChildVm::Start(
                  loop_, vm, files,
                  {.on_ready = [this, member](const Result<VmStatus>& how) { Ready(member, how); },
                   .on_end = [this, member] { Ended(member); }})
            : Failure(state.error());
    if (started) {
        member->vm = std::move(*started);
        return;
    }
    (void)RemoveTree(vm.directory);
    members_.erase(member);
    Failed(started.error().message);
}

void Pool::Ready(Members::iterator member, const Result<VmStatus>& how) {
    if (!how) return Failed(how.error().message);  // its end follows
    if (member->state != Member::State::kStarting) return;
    member->state = Member::State::kReady;
    failures_ = 0;
    Fill();
}

void Pool::Failed(const std::string& why) {
    if (stopping_) return;
    if (++failures_ < kMostFailures) {
        Log(LogLevel::kWarn, "a VM of the pool did not start", {{"why", why}});
        return FillLater(kAfterFailure * (1 << failures_));
    }
    Log(LogLevel::kError, "VMs of the pool do not start; it stays empty", {{"why", why}});
}

bool Pool::Take(const std::string& directory, const std::function<void(Result<VmStatus>)>& done) {
    const auto member = std::find_if(members_.begin(), members_.end(), [](const Member& candidate) {
        return candidate.state == Member::State::kReady;
    });
    if (member == members_.end()) return false;
    member->state = Member::State::kLeaving;
    FillLater(kAfterTake);
    const MovedDirectory moved(member->vm->directory(), directory);
    member->vm->Adopt(directory, [this, member, moved, done](Result<VmStatus> adopted) {
        if (!adopted) {
            member->on_end = [moved, done, why = std::move(adopted.error())]() mutable {
                moved.Empty();
                done(Failure(std::move(why)));
            };
            return member->vm->Kill();
        }
        member->state = Member::State::kGivenAway;
        done(std::move(adopted));
        sweep_.Start(milliseconds(0));  // the pool may be about to go
    });
    return true;
}

void Pool::Shrink() {
    for (auto& member : members_) {
        if (member.state != Member::State::kReady) continue;
        member.state = Member::State::kLeaving;
        member.vm->Stop();
    }
    FillLater(kAfterPressure);
}

void Pool::Stop(std::function<void()> done) {
    stopping_ = true;
    fill_.Stop();
    stopped_ = std::move(done);
    Shrink();
    for (auto& member : members_)
        if (member.state == Member::State::kStarting) member.vm->Stop();
    sweep_.Start(milliseconds(0));
}

void Pool::Ended(Members::iterator member) {
    // One that was adopted has moved; what is left of the others is here.
    (void)RemoveTree(member->vm->directory());
    const bool lost = member->state == Member::State::kReady;
    member->state = Member::State::kGone;
    if (const auto on_end = std::exchange(member->on_end, nullptr)) on_end();
    // A turn later: it is on the stack.
    sweep_.Start(milliseconds(0));
    if (lost) Failed("it has ended by itself");
}

}  // namespace cc

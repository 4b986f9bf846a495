// SPDX-License-Identifier: Apache-2.0
// Clones that have been restored and have rehearsed, and wait, paused, for somebody who needs one.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/uv/loop.h"
#include "vmm/template/child_vm.h"
#include "vmm/template/saved_machine.h"

namespace cc {

class Pool {
  public:
    // Of `size` VMs like `vm`, in directories of their own below `directory`.
    Pool(uv::Loop& loop, std::string directory, VmConfig vm, const SavedMachine& saved,
         int64_t size);

    void Fill();
    // Gives one away; the directory is where it shall live. False: none is ready. An error comes
    // when the VM is gone and the directory is empty again.
    bool Take(const std::string& directory, const std::function<void(Result<VmStatus>)>& done);
    // Gives its memory back for now.
    void Shrink();
    // Ends all that was not given away, for good; `done` when they are gone.
    void Stop(std::function<void()> done);

    int64_t size() const { return size_; }
    int64_t ready() const;

  private:
    struct Member {
        enum class State {
            kStarting,
            kReady,
            kLeaving,
            kGivenAway,
            kGone
        } state = State::kStarting;
        std::unique_ptr<ChildVm> vm;
        std::function<void()> on_end;  // of one that was not given away in the end
    };
    using Members = std::list<Member>;

    void FillLater(std::chrono::milliseconds when);
    void StartOne();
    void Ready(Members::iterator member, const Result<VmStatus>& how);
    void Ended(Members::iterator member);
    void Failed(const std::string& why);
    void Sweep();
    int64_t Count(Member::State state) const;

    uv::Loop& loop_;
    const std::string directory_;
    const VmConfig vm_;
    const SavedMachine& saved_;
    const int64_t size_;
    int64_t serial_ = 0;
    int failures_ = 0;  // in a row
    bool stopping_ = false;
    std::function<void()> stopped_;
    Members members_;  // those that were given away too, until they have ended
    uv::Timer fill_, sweep_;
};

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// The disks that were plugged into the machine, and for which containers.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "vmm/engine.h"

namespace cc {

class DiskTable {
  public:
    // Whether the place of disk `number` is free of other devices.
    using IsFree = std::function<bool(int number)>;
    using Added = std::function<void(Result<int> number)>;

    // As of the verbs (protocol/vm_verbs.h). The engine outlives the table.
    void Add(Engine& engine, MachineType machine, const IsFree& is_free, const std::string& owner,
             const Fd& device, bool read_only, Added done);
    void Remove(Engine& engine, const std::string& owner, const Engine::Done& done);
    void Gone(int number) { disks_.erase(number); }
    bool Has(int number) const { return disks_.contains(number); }

  private:
    enum class State { kComing, kThere, kLeaving };
    struct Disk {
        dev_t device = 0;
        bool read_only = false;
        State state = State::kComing;
        std::set<std::string> owners;
    };
    Result<int> FindRoom(MachineType machine, const IsFree& is_free) const;

    std::map<int, Disk> disks_;
};

}  // namespace cc

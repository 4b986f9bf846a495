// SPDX-License-Identifier: Apache-2.0
#include "vmm/disk_table.h"

#include <memory>
#include <optional>

#include <sys/stat.h>

#include "base/text.h"

namespace cc {

Result<int> DiskTable::FindRoom(MachineType machine, const IsFree& is_free) const {
    const int most = PlugPlaces(machine);
    if (most == 0)
        return Fail(
            Cat("nothing can be plugged into a virtual machine of the type ", Name(machine),
                "; machine_type \"pc\" or \"q35\" of configuration.toml can be given disks"),
            ENOSPC);
    for (int number = 0; number < most; ++number)
        if (!Has(number) && is_free(number)) return number;
    return Fail(Cat("a virtual machine of the type ", Name(machine), " has room for ", most,
                    " disks and network devices that are plugged in, and all of it is taken"),
                ENOSPC);
}

// Shared with whoever has the same device: the guest's kernel then keeps one cache of it, as the
// host's would. What one may not write the other's rules forbid it in the guest.
void DiskTable::Add(Engine& engine, MachineType machine, const IsFree& is_free,
                    const std::string& owner, const Fd& device, bool read_only, Added done) {
    struct stat status {};
    if (!device || ::fstat(device.get(), &status) < 0 || !S_ISBLK(status.st_mode))
        return done(Fail("no block device came with the request", EINVAL));
    for (auto& [number, disk] : disks_) {
        if (disk.device != status.st_rdev || disk.state != State::kThere) continue;
        if (disk.read_only && !read_only) continue;
        disk.owners.insert(owner);
        return done(number);
    }
    const auto found = FindRoom(machine, is_free);
    if (!found) return done(Failure(found.error()));
    const int number = *found;
    disks_[number] = {status.st_rdev, read_only, State::kComing, {owner}};
    engine.PlugDisk(number, device, read_only,
                    [this, number, done = std::move(done)](Result<void> plugged) {
                        if (!plugged) {
                            disks_.erase(number);
                            return done(Failure(plugged.error()));
                        }
                        // Unless its owner has gone meanwhile.
                        const auto there = disks_.find(number);
                        if (there != disks_.end() && there->second.state == State::kComing)
                            there->second.state = State::kThere;
                        done(number);
                    });
}

// All at once; the first error is the one that is told.
void DiskTable::Remove(Engine& engine, const std::string& owner, const Engine::Done& done) {
    std::vector<int> leaving;
    for (auto& [number, disk] : disks_) {
        if (disk.owners.size() > 1) {
            disk.owners.erase(owner);
        } else if (disk.owners.contains(owner)) {
            disk.state = State::kLeaving;
            leaving.push_back(number);
        }
    }
    if (leaving.empty()) return done({});
    struct Round {
        size_t left;
        Result<void> how;
    };
    auto round = std::make_shared<Round>(Round{leaving.size(), {}});
    for (const int number : leaving)
        engine.UnplugDisk(number, [round, done](Result<void> out) {
            if (!out && round->how) round->how = std::move(out);
            if (--round->left == 0) done(round->how);
        });
}

}  // namespace cc

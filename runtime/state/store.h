// SPDX-License-Identifier: Apache-2.0
// The state below --root:
//
//   <root>/sandboxes/<id>/{sandbox.json,lock}
//   <root>/containers/<id>/{container.json,config.json,lock}
//
// Directories are 0700 and ours; symbolic links in their place are refused. Records are replaced
// atomically, so reading takes no lock. Who changes something holds the container's lock, then the
// sandbox's.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "runtime/state/records.h"

namespace cc::runtime {

// Letters, digits, and _ + - . up to 1024 characters, but not "." or "..".
Result<void> CheckId(std::string_view id);

// A command holds a lock while it makes, starts or removes something.
constexpr std::chrono::milliseconds kLockPatience{30000};

class Store {
  public:
    // A root that is missing is made by the first Make; until then it has no containers.
    static Result<Store> Open(const std::string& root);

    const std::string& root() const { return root_; }

    // "container does not exist" (code ENOENT) for an id without a record.
    Result<ContainerRecord> LoadContainer(const std::string& id) const;
    Result<SandboxRecord> LoadSandbox(const std::string& id) const;
    Result<void> Save(const ContainerRecord& record) const;
    Result<void> Save(const SandboxRecord& record) const;
    // The configuration as it was at create: what the bundle says later does not count.
    Result<void> SaveConfig(const std::string& id, std::string_view text) const;
    Result<std::string> LoadConfig(const std::string& id) const;

    // Makes the directory and takes its lock. An id in use is an error.
    Result<FileLock> MakeContainer(const std::string& id) const;
    Result<FileLock> MakeSandbox(const std::string& id) const;
    // The lock of one that exists; waits up to kLockDeadline.
    Result<FileLock> LockContainer(const std::string& id,
                                   std::chrono::milliseconds patience = kLockPatience) const;
    Result<FileLock> LockSandbox(const std::string& id) const;
    Result<void> RemoveContainer(const std::string& id) const;
    Result<void> RemoveSandbox(const std::string& id) const;

    // Ids of all that have a directory, sorted.
    Result<std::vector<std::string>> Containers() const;
    // Those that are in a sandbox, but `except`. Records that cannot be read belong to none.
    Result<std::vector<ContainerRecord>> ContainersIn(const std::string& sandbox_id,
                                                      const std::string& except) const;

  private:
    explicit Store(std::string root) : root_(std::move(root)) {}
    std::string ContainerDirectory(const std::string& id) const;
    std::string SandboxDirectory(const std::string& id) const;
    static Result<FileLock> Make(const std::string& directory, const std::string& what);
    static Result<FileLock> Lock(const std::string& directory, const std::string& missing,
                                 std::chrono::milliseconds patience);

    std::string root_;
};

// The status now: a container whose shim or keeper is gone is stopped, whatever was written last.
Status CurrentStatus(const ContainerRecord& container, const Store& store);
// Whether the guest has a container of this status, with its namespaces and its cgroup.
bool IsInGuest(Status status, const ContainerRecord& container);

}  // namespace cc::runtime

// SPDX-License-Identifier: Apache-2.0
// The runtime's side of the Vm verbs: starting a keeper and asking it for things.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/process.h"
#include "client/saved_files.h"
#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"

namespace cc {

struct KeeperHandle {
    Process process;
    uint64_t start_time = 0;  // with the pid, what names the keeper for good (Process::Find)
    VmStatus status;
};

// Starts cc-vmm as a session of its own, without any of the caller's descriptors, and waits until
// the VM's process is up. On failure the error says why and neither keeper nor VM is left;
// ECONNRESET: one of them was killed.
// `in_child`: where it shall live, as of SpawnOptions. `files`: what a clone is made of.
Result<KeeperHandle> StartKeeper(const std::string& executable, const VmConfig& config,
                                 std::function<Result<void>()> in_child,
                                 const SavedFiles& files = {});

class VmClient {
  public:
    static Result<VmClient> Connect(const std::string& vm_directory);

    Result<VmStatus> Status();
    // `mount` comes from open_tree(2) with OPEN_TREE_CLONE.
    Result<void> ShareAdd(const std::string& path, const Fd& mount);
    Result<void> ShareRemove(const std::string& path);
    // Device 0 is there, others are plugged in when they are first attached.
    Result<void> AttachNetwork(int nic, const Fd& network_namespace);
    // One that is no tap; a macvtap's namespace is that of the link below it.
    Result<void> AttachCard(const Card& card, const Fd& network_namespace = {});
    Result<void> WatchNetwork(const Fd& network_namespace, const std::string& root,
                              const std::string& sandbox);
    // `device`: opened for reading, and for writing unless `read_only`. Returns the disk's number.
    Result<int> AddDisk(const std::string& owner, const Fd& device, bool read_only);
    Result<void> RemoveDisks(const std::string& owner);
    Result<void> Grow(const VmGrowth& growth);
    Result<std::string> Console();
    Result<void> Pause();
    Result<void> Resume();
    Result<void> Stop();

  private:
    explicit VmClient(Fd fd) : fd_(std::move(fd)) {}
    Result<VmReply> Call(const VmRequest& request, int fd, std::chrono::milliseconds deadline);
    Fd fd_;
};

}  // namespace cc

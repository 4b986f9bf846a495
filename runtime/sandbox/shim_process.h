// SPDX-License-Identifier: Apache-2.0
// Forking the shim that stands for a container's process on the host: its stdio, its network
// namespace, its root file system, its cgroup. It waits until it is told where to connect.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/process.h"
#include "protocol/shim_start.h"

namespace cc::runtime {

struct ShimOptions {
    std::string executable;
    std::string container_id;
    std::vector<std::string> title;  // command line of the process, to show as the shim's own
    bool terminal = false;           // the process has one
    bool debug = false;
    int console = -1;  // becomes stdio and controlling terminal; -1: our stdio is inherited
    int network_namespace = -1;  // entered; -1: see new_network
    bool new_network = false;    // a namespace of its own is made
    bool new_pids = false;       // likewise; the shim is the first process in it
    std::function<Result<void>()> enter_cgroup;
    // Null: it stays in our mount namespace. Otherwise called in the child, makes one of its own
    // and leaves the future root directory as the working directory (EnterContainerRoot).
    std::function<Result<void>()> enter_root;
};

class Shim {
  public:
    static Result<Shim> Fork(const ShimOptions& options);

    const Process& process() const { return process_; }
    // For the proxy: the other end of a connection that the shim has inherited.
    int connection() const { return connection_.get(); }
    // Sends it on its way. Without that the shim ends when this object goes.
    Result<void> Tell(const ShimStart& start);
    void Kill() const { process_.Kill(); }

  private:
    Process process_;
    Fd start_;
    Fd connection_;
};

// The network namespace of a living process, as a descriptor.
Result<Fd> NetworkNamespaceOf(pid_t pid);
// The one at `path`; anything that is not a network namespace is an error.
Result<Fd> OpenNetworkNamespace(const std::string& path);

}  // namespace cc::runtime

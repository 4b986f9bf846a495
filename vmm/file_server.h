// SPDX-License-Identifier: Apache-2.0
// The program that serves a VM's share by virtiofs (virtiofsd), as a process of its own that the
// keeper starts and ends. It is shut up in the share, by namespaces of its own, a system call
// filter and few capabilities; a guest that takes it over has what it could reach anyway.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/uv/channel.h"
#include "protocol/vm_config.h"
#include "vmm/lines.h"

namespace cc {

// How it ended. Failed: neither because it was told to nor because the VMM has gone; killed: by
// somebody else.
struct FileServerEnd {
    std::string how;
    bool failed = false;
    bool killed = false;
};

class FileServer {
  public:
    struct Callbacks {
        std::function<void(std::string_view line)> on_output;  // what it printed
        std::function<void(const FileServerEnd&)> on_end;      // called once, last
    };

    // Serves `directory`, whose mounts reach it when Share::Propagate was called. It runs in the
    // caller's cgroup and network namespace, and ends by itself when the VMM has gone.
    static Result<std::unique_ptr<FileServer>> Start(uv::Loop& loop, const FileServerConfig& config,
                                                     const std::string& directory,
                                                     Callbacks callbacks);
    ~FileServer();  // kills and reaps what still runs

    // The VMM's end of the only connection that it takes, once.
    Fd TakeConnection() { return std::move(connection_); }
    // Of its processes, for cgroups.
    std::vector<int64_t> Pids() const;
    pid_t group() const { return process_.pid(); }  // all of them are in this process group
    // By force: it holds nothing that is not on the host's disks.
    void Stop();

  private:
    FileServer(uv::Loop& loop, Callbacks callbacks);
    void OnProcessEnd();

    Callbacks callbacks_;
    std::string program_;
    Fd connection_;
    bool told_ = false;
    Process process_;  // the first of its pid namespace: what it starts ends with it
    Lines lines_;
    uv::Poll end_watch_;
    std::unique_ptr<uv::Channel> output_;
};

// What follows argv[0]. `listener`: the number of a descriptor on which it accepts its only
// connection.
std::vector<std::string> FileServerArguments(const FileServerConfig& config,
                                             const std::string& directory, int listener);

}  // namespace cc

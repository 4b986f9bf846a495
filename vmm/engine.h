// SPDX-License-Identifier: Apache-2.0
// What runs the machine: a program of its own (QEMU) that the keeper starts, watches and ends. The
// keeper knows engines by this interface only.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/fd.h"
#include "host/acceleration.h"
#include "host/host_cpu.h"
#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"
#include "vmm/nic.h"

namespace cc {

struct EnginePlan {
    VmConfig config;
    AccelerationChoice acceleration;
    int64_t image_bytes = 0;  // size of config.image
    TscMeasurement tsc;
    Fd ctl_listener;  // listening sockets of the agent's two channels; the engine accepts on them
    Fd io_listener;
    Fd dns;          // a stream: the guest's port for questions of names (protocol/dns_frame.h)
    NicBackEnd nic;  // of VmConfig::nic
    Fd file_server = {};  // of kBoot with kVirtioFs: the connection to what serves the share
    // Of every origin but kBoot: the guest's memory, and the state of the machine beside it.
    Fd memory;
    Fd state;
    // The guest's code as a template has translated it, for engines that translate and can share.
    Fd translations;
};

// How a VM ended. Clean: its guest powered off, or it was stopped.
struct EngineEnd {
    bool clean = false;
    std::string why;
    bool killed = false;  // by somebody else than the engine
};

struct EngineCallbacks {
    std::function<void()> on_started;                        // the machine runs and takes requests
    std::function<void(bool paused)> on_paused;              // whoever paused or resumed it
    std::function<void(std::string_view bytes)> on_console;  // what the guest printed, untrusted
    std::function<void(std::string_view line)> on_output;    // what the engine's program printed
    // A disk has left the machine and its device is closed; also later than UnplugDisk waits.
    std::function<void(int number)> on_disk_gone;
    // The engine's process is gone and all it said has been passed on. Called once, last, also when
    // the start failed after the process existed.
    std::function<void(const EngineEnd&)> on_end;
};

class Engine {
  public:
    using Done = std::function<void(Result<void>)>;
    virtual ~Engine() = default;  // kills and reaps what still runs

    virtual pid_t pid() const = 0;
    virtual void Pause(Done done) = 0;
    virtual void Resume(Done done) = 0;
    // Plugs memory and processors into the machine, as of the verb. After a failure it may have
    // some of them.
    virtual void Grow(const VmGrowth& growth, Done done) = 0;
    virtual VmGrowth grown() const = 0;  // since it was started, all in all
    // Plugs network device `number` into the machine.
    virtual void PlugNic(int number, const NicBackEnd& back_end, Done done) = 0;
    // The same of one that is no tap.
    virtual void PlugCard(const Card& card, Done done) = 0;
    // Of a template: what it does from here on is what its clones will do.
    virtual void BeginRehearsal(Done done) = 0;
    // Plugs the share into a machine that began without: kVirtioFs, of every origin but kBoot. The
    // connection is that to what serves it. The other one takes it out again, with the guest's
    // help.
    virtual void PlugShare(const Fd& connection, Done done) = 0;
    virtual void UnplugShare(Done done) = 0;
    // Plugs a block device of the host's into the machine as disk `number`, and takes it out again;
    // the latter takes the guest, which may not let go of it in time.
    virtual void PlugDisk(int number, const Fd& device, bool read_only, Done done) = 0;
    virtual void UnplugDisk(int number, Done done) = 0;
    // Of a template: stops it for good and writes all of it but its memory to EnginePlan::state.
    virtual void Save(Done done) = 0;
    // Politely, then by force two seconds later; on_end tells.
    virtual void Stop() = 0;
};

}  // namespace cc

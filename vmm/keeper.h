// SPDX-License-Identifier: Apache-2.0
// The keeper of one VM: prepares what the machine needs, starts the engine, serves the Vm verbs,
// and ends with it. A VM that is to become a template, or to wait in a pool, rehearses first.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/log.h"
#include "base/undo.h"
#include "base/uv/loop.h"
#include "client/proxy_starter.h"
#include "protocol/vm_verbs.h"
#include "vmm/console.h"
#include "vmm/disk_table.h"
#include "vmm/dns_relay.h"
#include "vmm/engine.h"
#include "vmm/file_server.h"
#include "vmm/network_watch.h"
#include "vmm/nic.h"
#include "vmm/packet_server.h"
#include "vmm/port_forward.h"
#include "vmm/share.h"

namespace cc {

class Rehearsal;

class Keeper {
  public:
    // Which engine; tests of the keeper alone may bring their own.
    using StartEngine =
        std::function<Result<std::unique_ptr<Engine>>(uv::Loop&, EnginePlan, EngineCallbacks)>;

    // What the keeper inherited (protocol/vm_verbs.h).
    struct Descriptors {
        Fd ready;  // gets the one message that says whether the VM is up; may be none
        Fd memory;
        Fd state;
        Fd translations;
    };

    Keeper(VmConfig config, Descriptors inherited, TscMeasurement tsc, StartEngine start_engine);
    ~Keeper();

    // Until the VM has ended. The exit status of the process: 0 after a clean end.
    int Run();

  private:
    using VerbAnswer = std::function<void(const VmReply&)>;

    Result<void> Start();
    Result<void> StartVm(int64_t image_bytes);
    Result<void> StartFileServer();
    Result<void> ShareMemory(Fd& memory) const;
    Result<void> MakeNic();
    void AttachNetwork(const Card& card, Fd network_namespace, Engine::Done done);
    Result<void> CheckRoom(int number) const;
    void AttachCard(const Card& card, Engine::Done done);
    void AttachMacvtap(const Card& card, Fd network_namespace, Engine::Done done);
    void PlugNic(int number, Engine::Done done);
    bool MayUseVhost() const;
    int Queues() const;
    void AddDisk(const VmRequest& request, const Fd& device, VerbAnswer answer);
    bool IsFreeForDisk(int number) const;
    Result<void> AttachNic(int number, Fd network_namespace);
    Result<void> WatchNetwork(const VmRequest& request, Fd network_namespace);
    void StartProxy(const ProxyAddress& proxy, VerbAnswer answer);
    Result<Fd> Listen(std::string_view name, int type);
    void OnStarted();
    void Begin();
    void Rehearse();
    void Rehearsed(const Result<void>& how);
    void Save();
    void GiveUp(const std::string& why);
    void Up();
    void LeavePool() const;
    void Adopt(const std::string& directory, VerbAnswer answer);
    void OnPaused(bool paused);
    void OnConsole(std::string_view bytes);
    void OnOutput(std::string_view line, LogLevel level, std::string_view who);
    void OnFileServerEnd(const FileServerEnd& end);
    void OnEnd(const EngineEnd& end);
    void Finish(const EngineEnd& end);
    void Take(Result<Received> packet, const PacketServer::Answer& answer);
    void Handle(const VmRequest& request, Fd fd, VerbAnswer answer);
    VmStatus Status() const;
    void TellReady(const VmReply& reply);
    void Stop(std::string_view why);

    VmConfig config_;
    Descriptors inherited_;
    TscMeasurement tsc_;
    StartEngine start_engine_;
    AccelerationChoice acceleration_;
    Undo sockets_;
    uv::Loop loop_;
    uv::SignalWatch terminate_, interrupt_;
    std::unique_ptr<Share> share_;
    std::unique_ptr<FileServer> file_server_;
    std::function<void()> file_server_gone_;  // who waits for its end, which is no failure then
    bool file_server_killed_ = false;
    std::string file_server_how_;
    uv::Timer unserved_;
    std::map<int, Nic> nics_;
    std::map<int, Card> cards_;  // that are no taps
    DiskTable disks_;
    std::unique_ptr<NetworkWatch> network_watch_;
    std::unique_ptr<PortForward> port_forward_;
    std::unique_ptr<DnsRelay> dns_;
    ProxyStarter proxy_starter_;
    std::optional<Console> console_;
    std::unique_ptr<PacketServer> verbs_;
    std::unique_ptr<Engine> engine_;
    std::unique_ptr<Rehearsal> rehearsal_;
    std::deque<VerbAnswer> stop_answers_;
    size_t output_budget_;  // bytes of the engine's output that still go into the log
    int64_t exec_ms_ = 0;   // monotonic clock when the engine was started
    int64_t start_ms_ = 0;
    bool up_ = false;
    bool adopted_ = false;
    bool stopping_ = false;
    std::string useless_;  // why it was given up before it was up
    bool paused_ = false;
    int exit_status_ = 1;
};

}  // namespace cc

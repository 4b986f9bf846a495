// SPDX-License-Identifier: Apache-2.0
// The keeper of one VM: prepares what the machine needs, starts the engine, serves the Vm verbs,
// and ends with it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/undo.h"
#include "base/uv/loop.h"
#include "vmm/console.h"
#include "vmm/engine.h"
#include "vmm/share.h"
#include "vmm/verb_server.h"

namespace cc {

class Keeper {
  public:
    // Which engine; tests of the keeper alone may bring their own.
    using StartEngine =
        std::function<Result<std::unique_ptr<Engine>>(uv::Loop&, EnginePlan, EngineCallbacks)>;

    // `ready` gets the one message that says whether the VM is up; an invalid descriptor is
    // allowed.
    Keeper(VmConfig config, Fd ready, TscMeasurement tsc, StartEngine start_engine);
    ~Keeper();

    // Until the VM has ended. The exit status of the process: 0 after a clean end.
    int Run();

  private:
    Result<void> Start();
    Result<void> StartVm(int64_t image_bytes);
    Result<Fd> Listen(std::string_view name, int type);
    void OnStarted();
    void OnPaused(bool paused);
    void OnOutput(std::string_view line);
    void OnEnd(const EngineEnd& end);
    void Handle(const VmRequest& request, Fd fd, VerbServer::Answer answer);
    VmStatus Status() const;
    void TellReady(const VmReply& reply);
    void Stop(std::string_view why);

    const VmConfig config_;
    Fd ready_;
    TscMeasurement tsc_;
    StartEngine start_engine_;
    AccelerationChoice acceleration_;
    Undo sockets_;
    uv::Loop loop_;
    uv::SignalWatch terminate_, interrupt_;
    std::unique_ptr<Share> share_;
    std::optional<Console> console_;
    std::unique_ptr<VerbServer> verbs_;
    std::unique_ptr<Engine> engine_;
    std::deque<VerbServer::Answer> stop_answers_;
    size_t output_budget_;  // bytes of the engine's output that still go into the log
    int64_t exec_ms_ = 0;   // monotonic clock when the engine was started
    int64_t start_ms_ = 0;
    bool up_ = false;
    bool paused_ = false;
    int exit_status_ = 1;
};

}  // namespace cc

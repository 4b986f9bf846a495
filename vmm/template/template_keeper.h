// SPDX-License-Identifier: Apache-2.0
// The keeper of a template: has a VM booted, rehearsed and saved, holds what was saved, hands it
// out to be cloned, and keeps a pool of clones ready. One process a template; the template lives as
// long as it does.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/undo.h"
#include "base/uv/loop.h"
#include "protocol/template_verbs.h"
#include "vmm/packet_server.h"
#include "vmm/template/child_vm.h"
#include "vmm/template/memory_pressure.h"
#include "vmm/template/pool.h"
#include "vmm/template/saved_machine.h"

namespace cc {

class TemplateKeeper {
  public:
    // `ready` gets a line end once the socket listens, or what is wrong.
    TemplateKeeper(TemplateConfig config, Fd ready);
    // Until it is told to stop, or the template has become of no use. The process's exit status.
    int Run();

  private:
    using Answer = std::function<void(const TemplateReply&, std::vector<Fd>)>;

    Result<void> Start();
    Result<void> StartBuilding();
    void Built(const Result<VmStatus>& how);
    void BuilderEnded();
    Result<void> Complete();
    void GiveUp(const std::string& why);
    void CleanUp();
    // Whether the files that the template is made of are still what they were.
    Result<bool> IsCurrent() const;
    void CheckStale();
    void OnPressure();

    void Receive(Result<Received> packet, const PacketServer::Answer& answer);
    void Take(const TemplateRequest& request, const Answer& answer);
    void HandOut(const TemplateRequest& request, const Answer& answer);
    void LendFiles(const Answer& answer);
    TemplateStatus Status() const;
    void Stop(std::function<void()> done);

    struct Waiting {
        TemplateRequest request;
        Answer answer;
    };

    const TemplateConfig config_;
    Fd ready_;
    Undo files_;
    uv::Loop loop_;
    uv::SignalWatch terminate_, interrupt_;
    uv::Timer stale_;
    std::optional<SavedMachine> saved_;
    std::unique_ptr<PacketServer> server_;
    std::unique_ptr<ChildVm> builder_;
    std::optional<Result<void>> build_;  // how it went, when it is over
    std::optional<Pool> pool_;
    std::unique_ptr<MemoryPressure> pressure_;
    std::deque<Waiting> waiting_;
    std::string failure_;         // what those hear who wait in vain
    std::function<void()> done_;  // tells who asked for the end
    bool complete_ = false;
    bool stopping_ = false;
    int64_t clones_ = 0;
    int64_t started_s_ = 0;
    int exit_status_ = 0;
};

// What `cc-vmm --template` does: `config_fd` and `ready_fd` as given on its command line.
int KeepTemplate(Fd config, Fd ready);

}  // namespace cc

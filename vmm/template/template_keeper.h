// SPDX-License-Identifier: Apache-2.0
// The keeper of a template: has a VM booted, rehearsed and saved, holds what was saved, hands it
// out to be cloned, and keeps a pool of clones ready. One process a template; the template lives as
// long as it does.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <sys/stat.h>

#include "base/undo.h"
#include "base/uv/loop.h"
#include "protocol/template_verbs.h"
#include "vmm/packet_server.h"
#include "vmm/template/child_vm.h"
#include "vmm/template/file_watch.h"
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
    void BuildAgain();
    void Seal();
    void Complete();
    // For good: it could not be made. The reason is remembered.
    void GiveUp(const std::string& why);
    // Whether others still find this keeper: its socket is where it was bound.
    bool HasPlace() const;
    void WatchFiles();
    void OnFilesChanged();
    void CleanUp();
    // Whether the files that the template is made of are still what they were.
    Result<bool> IsCurrent() const;
    bool CheckStale();  // false: they are not, and it goes
    void OnPressure();

    void Receive(Result<Received> packet, const PacketServer::Answer& answer);
    void Take(const TemplateRequest& request, const Answer& answer);
    void HandOut(const TemplateRequest& request, const Answer& answer);
    void LendFiles(const Answer& answer);
    TemplateStatus Status() const;
    void Stop(const std::string& why, std::function<void()> done);

    struct Waiting {
        TemplateRequest request;
        Answer answer;
    };

    const TemplateConfig config_;
    Fd ready_;
    struct stat socket_ {};  // as it was bound
    Undo files_;
    uv::Loop loop_;
    uv::SignalWatch terminate_, interrupt_;
    uv::Timer check_, build_deadline_, seal_again_;
    std::chrono::steady_clock::time_point seal_end_;  // when it is no longer tried
    std::unique_ptr<FileWatch> files_watch_;
    std::optional<SavedMachine> saved_;
    std::unique_ptr<PacketServer> server_;
    std::unique_ptr<ChildVm> builder_;
    std::unique_ptr<ChildVm> killed_builder_;  // the first, when there is a second
    std::optional<Result<void>> build_;        // how it went, when it is over
    std::optional<Pool> pool_;
    std::unique_ptr<MemoryPressure> pressure_;
    std::deque<Waiting> waiting_;
    std::string failure_;         // what those hear who wait in vain
    std::function<void()> done_;  // tells who asked for the end
    bool builder_ended_ = false;
    bool complete_ = false;
    bool stopping_ = false;
    int64_t clones_ = 0;
    int64_t started_s_ = 0;
    int exit_status_ = 0;
};

// What `cc-vmm --template` does: `config_fd` and `ready_fd` as given on its command line.
int KeepTemplate(Fd config, Fd ready);

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// The client's side of the template verbs. A template that is missing is made by the first client
// that wants a VM of it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/fd.h"
#include "client/saved_files.h"
#include "protocol/template_verbs.h"

namespace cc {

// What a template gives: a VM that waited in its pool, or what one can be cloned from.
struct TakenVm {
    std::optional<VmStatus> pooled;
    Fd memory;
    Fd state;
    Fd translations;

    SavedFiles files() const { return {memory.get(), state.get(), translations.get()}; }
};

class TemplateClient {
  public:
    // Nobody listens there: ENOENT or ECONNREFUSED.
    static Result<TemplateClient> Connect(const std::string& directory);
    // Starts a keeper (`executable` as cc-vmm) when there is none. ECANCELED: one that was tried a
    // short time ago could not make this template; the text says why.
    static Result<TemplateClient> ConnectOrStart(const std::string& executable,
                                                 const TemplateConfig& config,
                                                 std::chrono::milliseconds deadline);

    // Waits for the template. `directory`: where a VM of the pool shall live, see TemplateRequest.
    Result<TakenVm> Take(const std::string& key, const std::string& directory,
                         std::chrono::milliseconds deadline);
    // Until the template is there.
    Result<void> Wait(const std::string& key, std::chrono::milliseconds deadline);
    Result<TemplateStatus> Status();
    Result<void> Stop();
    // After it has hung up: a process that is killed closes one thing after another, and may still
    // be found by its socket. For 2 s.
    void AwaitEnd() const;
    int fd() const { return fd_.get(); }  // whoever shuts it down ends a wait

  private:
    TemplateClient(Fd fd, Fd keeper) : fd_(std::move(fd)), keeper_(std::move(keeper)) {}
    Result<void> Tell(const TemplateRequest& request, std::chrono::milliseconds deadline);
    Result<Received> Call(const TemplateRequest& request, std::chrono::milliseconds deadline);
    Fd fd_;
    Fd keeper_;  // the process; none if it has ended
};

}  // namespace cc

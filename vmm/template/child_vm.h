// SPDX-License-Identifier: Apache-2.0
// A VM that a template's keeper starts: the one that becomes the template, and those of the pool.
// It has a keeper of its own, as every VM has, which ends when this process does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/process.h"
#include "base/uv/loop.h"
#include "client/saved_files.h"
#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"

namespace cc {

class ChildVm {
  public:
    struct Callbacks {
        // Once: the template is saved, the pool's VM waits; or why not. ECONNRESET: its keeper or
        // its VMM was killed.
        std::function<void(Result<VmStatus>)> on_ready;
        // Its keeper has ended. Called once, last; may destroy the object.
        std::function<void()> on_end;
    };

    // `config.directory` is made.
    static Result<std::unique_ptr<ChildVm>> Start(uv::Loop& loop, const VmConfig& config,
                                                  const SavedFiles& files, Callbacks callbacks);

    const std::string& directory() const { return directory_; }
    // Of a pool's VM that is ready: makes it somebody else's. Its keeper stays our child, but no
    // longer ends with us. One that does not answer within a second is killed; as after any other
    // error it has the old directory or the new one, until on_end.
    void Adopt(const std::string& directory, std::function<void(Result<VmStatus>)> done);
    void Stop();  // on_end tells; killed when it does not end by itself
    void Kill();

  private:
    ChildVm(uv::Loop& loop, std::string directory, Callbacks callbacks);
    Result<void> Spawn(const VmConfig& config, const SavedFiles& files);
    void OnLeash();
    void OnEnd();
    void Hear(Result<VmStatus> what);

    std::string directory_;
    Callbacks callbacks_;
    std::function<void(Result<VmStatus>)> adopted_;
    Process keeper_;
    Fd leash_;
    uv::Poll leash_watch_, end_watch_;
    uv::Timer adoption_deadline_, stop_deadline_;
};

}  // namespace cc

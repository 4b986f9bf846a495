// SPDX-License-Identifier: Apache-2.0
// The host's side of a rehearsal: says on the two channels what cc-proxy says for a container that
// is made, started, joined by a second process, ends by itself, and is removed with its pod. Not
// for anything but that: it believes all it hears.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/uv/channel.h"
#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"
#include "protocol/link_frame.h"

namespace cc::agent {

class RehearsalHost {
  public:
    using Done = std::function<void(Result<void>)>;
    // A command or, with the number of a process, the end of its input, which it should end at.
    struct Step {
        ControlCode code{};
        std::string payload;
        uint64_t process = 0;
    };

    // Sockets whose other ends are the agent's ports. Done is called once, from the loop; the
    // object must not be destroyed in it.
    static Result<std::unique_ptr<RehearsalHost>> Start(uv::Loop& loop, Fd control, Fd io,
                                                        std::vector<Step> steps, Done done);

  private:
    RehearsalHost(std::vector<Step> steps, Done done);
    Result<std::unique_ptr<uv::Channel>> Open(uv::Loop& loop, Fd fd,
                                              void (RehearsalHost::*take)(std::string_view));
    void OnControl(std::string_view bytes);
    void OnPlain(const ControlMessage& message);
    void OnIo(std::string_view bytes);
    void OnHello();
    void Next();
    void EndInput(uint64_t process);
    void GoOnIfEnded(uint64_t process);
    void Grant(uint64_t stream, uint64_t received, uint8_t flags = 0);
    void Finish(Result<void> how);
    std::string Frame(const LinkFrame& frame) const;

    std::vector<Step> steps_;
    size_t step_ = 0;  // the next
    size_t hellos_ = 0;
    bool plain_ = true;
    ControlDecoder messages_;
    LinkDecoder control_frames_, io_frames_;
    std::set<uint64_t> ended_;  // processes whose final exit was heard
    uint64_t awaited_ = 0;      // the process whose exit is the next thing to come
    Done done_;
    std::unique_ptr<uv::Channel> control_, io_;
};

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// The keeper's one talk with the guest's agent, before the machine is anybody's: it waits for the
// agent, has it rehearse (agent/rehearsal.h), hangs up, waits until the agent says on the console
// that it knows, and lets the machine come to rest.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/uv/channel.h"
#include "base/uv/loop.h"
#include "protocol/agent_frame.h"

namespace cc {

class Rehearsal {
  public:
    using Done = std::function<void(Result<void>)>;
    using Begin = std::function<void(Done)>;

    // `begin`: called once the agent is there; what it is given goes on. `rest`: how long the
    // machine runs on at the end. `deadline`: for all before. `done` is called once, from the loop,
    // and may destroy this object.
    static Result<std::unique_ptr<Rehearsal>> Start(uv::Loop& loop, const std::string& ctl_socket,
                                                    std::chrono::milliseconds deadline,
                                                    std::chrono::milliseconds rest, Begin begin,
                                                    Done done);
    // What the guest printed.
    void OnConsole(std::string_view bytes);

  private:
    Rehearsal(uv::Loop& loop, std::chrono::milliseconds deadline, std::chrono::milliseconds rest,
              Begin begin, Done done);
    void OnData(std::string_view bytes);
    void OnMessage(const ControlMessage& message);
    void Finish(Result<void> how);

    enum class Stage { kReady, kBegun, kAcknowledged, kLine, kRest };
    Stage awaited_ = Stage::kReady;
    std::string console_;  // the end of what was printed since the hang-up
    const std::chrono::milliseconds rest_;
    uv::Timer deadline_;
    uv::Timer rested_;
    std::unique_ptr<uv::Channel> channel_;
    ControlDecoder decoder_;
    Begin begin_;
    Done done_;
};

}  // namespace cc

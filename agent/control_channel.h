// SPDX-License-Identifier: Apache-2.0
// The control channel: takes the host's commands one at a time, in order, and answers each with ACK
// or ERROR. READY goes out each time the host side connects, with the offer of our extension, which
// a 3.0 proxy does not look at.
#pragma once

#include <memory>

#include "agent/pod.h"
#include "agent/port.h"
#include "protocol/agent_frame.h"

namespace cc::agent {

class ControlChannel {
  public:
    // `started_ms`: when the agent began, for READY.
    ControlChannel(Pod& pod, int64_t started_ms);
    Port::Callbacks PortCallbacks();
    void Use(std::unique_ptr<Port> port);

  private:
    void OnConnect();
    void OnData(std::string_view bytes);
    void RunCommands();
    void Dispatch(const ControlMessage& message, Pod::Reply reply);
    void Answer(uint64_t connection, Result<std::string> result);

    Pod& pod_;
    const int64_t started_ms_;
    int64_t ready_ms_ = 0;
    std::unique_ptr<Port> port_;
    ControlDecoder decoder_;
    bool dispatching_ = false;  // Dispatch is on the stack
    bool busy_ = false;         // a command is being carried out
    // The host sent what is no frame; nothing is read until it connects again.
    bool broken_ = false;
    // Counts connections: the answer to a command of an earlier one would be taken for the answer
    // to another command.
    uint64_t connection_ = 0;
};

// CLOCK_BOOTTIME in milliseconds.
int64_t BootTimeMs();

}  // namespace cc::agent

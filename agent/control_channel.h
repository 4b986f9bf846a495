// SPDX-License-Identifier: Apache-2.0
// The control channel: takes the host's commands one at a time, in order, and answers each with ACK
// or ERROR. READY goes out each time the host side connects, with the offer of our extension, which
// a 3.0 proxy does not look at.
//
// A connection begins with 3.0's plain messages. It goes over to the frames of extension 2 when
// that is agreed (VERSION), or at the Hello of a proxy that knows the marker from before.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "agent/answers.h"
#include "agent/io_channel.h"
#include "agent/link.h"
#include "agent/pod.h"
#include "agent/port.h"
#include "protocol/agent_frame.h"

namespace cc::agent {

class ControlChannel {
  public:
    // `started_ms`: when the agent began, for READY.
    ControlChannel(Pod& pod, IoChannel& io, int64_t started_ms);
    Port::Callbacks PortCallbacks();
    void Use(std::unique_ptr<Port> port);

  private:
    struct Request {
        uint64_t id = 0;
        ControlCode code{};
        std::string payload;
    };

    void OnConnect();
    void OnDisconnect();
    void OnData(std::string_view bytes);
    void RunCommands();
    void Run(const ControlMessage& message, const Pod::Reply& reply);

    // 3.0's messages.
    bool RunPlain();  // false: none is here whole
    void AcceptVersion(std::string_view payload);
    void AnswerPlain(uint64_t connection, const Result<std::string>& result);
    void StartOver(const std::string& marker);

    // Frames of extension 2.
    void TakeFrames();
    void BeginEpoch();
    void TakeRequest(const LinkFrame& frame);
    void RunRequest();
    void AnswerRequest(uint64_t id, Result<std::string> result);
    void SendReply(uint64_t id, const CommandAnswer& answer);

    Pod& pod_;
    IoChannel& io_;
    const int64_t started_ms_;
    int64_t ready_ms_ = 0;
    std::unique_ptr<Port> port_;
    bool rehearsed_ = false;    // and the host that asked for it is still there
    bool dispatching_ = false;  // a command's function is on the stack
    bool busy_ = false;         // a command is being carried out

    bool plain_ = true;
    ControlDecoder decoder_;
    // The host sent what is no message; no other is taken until it connects again.
    bool broken_ = false;
    // Counts connections: the answer to a plain command of an earlier one would be taken for the
    // answer to another command.
    uint64_t connection_ = 0;

    Link link_;
    std::deque<Request> queue_;
    size_t queued_ = 0;                // bytes
    std::optional<uint64_t> running_;  // the request that is being carried out
    Answers answers_;
};

// CLOCK_BOOTTIME in milliseconds.
int64_t BootTimeMs();

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
#include "vmm/rehearsal.h"

#include <sys/socket.h>

#include "base/text.h"
#include "protocol/agent_messages.h"

namespace cc {

Result<std::unique_ptr<Rehearsal>> Rehearsal::Start(uv::Loop& loop, const std::string& ctl_socket,
                                                    std::chrono::milliseconds deadline,
                                                    std::chrono::milliseconds rest, Begin begin,
                                                    Done done) {
    CC_ASSIGN(Fd socket, ConnectUnix(ctl_socket, SOCK_STREAM));
    auto rehearsal = std::unique_ptr<Rehearsal>(
        new Rehearsal(loop, deadline, rest, std::move(begin), std::move(done)));
    auto* self = rehearsal.get();
    CC_ASSIGN(
        rehearsal->channel_,
        uv::Channel::Open(loop, std::move(socket),
                          {.on_data = [self](std::string_view bytes) { self->OnData(bytes); },
                           .on_end =
                               [self](const Result<void>&) {
                                   self->Finish(Fail("the VMM closed the agent's control channel"));
                               },
                           .on_drained = nullptr}));
    return rehearsal;
}

Rehearsal::Rehearsal(uv::Loop& loop, std::chrono::milliseconds deadline,
                     std::chrono::milliseconds rest, Begin begin, Done done)
    : rest_(rest),
      deadline_(
          loop,
          [this, deadline] {
              Finish(Fail(Cat("the guest's agent was not ready within ", deadline.count(), " ms"),
                          ETIMEDOUT));
          }),
      rested_(loop, [this] { Finish({}); }),
      begin_(std::move(begin)),
      done_(std::move(done)) {
    deadline_.Start(deadline);
}

void Rehearsal::OnData(std::string_view bytes) {
    decoder_.Push(bytes);
    while (channel_) {
        const auto message = decoder_.Next();
        if (!message) return Finish(Failure(message.error()));
        if (!*message) return;
        OnMessage(**message);
    }
}

void Rehearsal::OnMessage(const ControlMessage& message) {
    if (awaited_ == Stage::kReady && message.code == ControlCode::kReady) {
        if (ParseReadyOffer(message.payload).extension < kCloneExtension)
            return Finish(Fail("the guest's agent is too old to be cloned"));
        awaited_ = Stage::kBegun;
        return begin_([this](Result<void> how) {
            if (!how) return Finish(std::move(how));
            if (!channel_) return;  // it has failed meanwhile
            awaited_ = Stage::kAcknowledged;
            channel_->Write(EncodeControl(ControlCode::kRehearse, {}));
        });
    }
    if (message.code == ControlCode::kError)
        return Finish(Fail(Cat("the guest's agent: ", Quoted(message.payload, 256))));
    if (awaited_ != Stage::kAcknowledged || message.code != ControlCode::kAck) return;
    awaited_ = Stage::kLine;
    channel_.reset();
}

void Rehearsal::OnConsole(std::string_view bytes) {
    if (awaited_ != Stage::kLine) return;
    console_.append(bytes);
    if (console_.find(kRehearsedLine) != std::string::npos) {
        awaited_ = Stage::kRest;
        deadline_.Stop();
        return rested_.Start(rest_);
    }
    if (console_.size() > kRehearsedLine.size())
        console_.erase(0, console_.size() - kRehearsedLine.size());
}

void Rehearsal::Finish(Result<void> how) {
    deadline_.Stop();
    rested_.Stop();
    channel_.reset();
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(how));
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
#include "agent/control_channel.h"

#include <algorithm>
#include <ctime>

#include "agent/console.h"
#include "agent/dispatch.h"
#include "base/log.h"
#include "base/text.h"

namespace cc::agent {

namespace {
// Requests that wait for their turn; above, the port is not read.
constexpr size_t kMaxQueued = 2 * kMaxControlMessage;
constexpr size_t kRequestCost = 128;  // of one without a payload
}  // namespace

int64_t BootTimeMs() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

ControlChannel::ControlChannel(Pod& pod, IoChannel& io, int64_t started_ms)
    : pod_(pod), io_(io), started_ms_(started_ms) {}

Port::Callbacks ControlChannel::PortCallbacks() {
    return {.on_connect = [this] { OnConnect(); },
            .on_disconnect = [this] { OnDisconnect(); },
            .on_data = [this](std::string_view bytes) { OnData(bytes); },
            .on_room = [] {}};
}

void ControlChannel::Use(std::unique_ptr<Port> port) {
    port_ = std::move(port);
    ready_ms_ = BootTimeMs();
    port_->Start();
}

void ControlChannel::OnConnect() {
    decoder_.Clear();
    link_.Close();
    plain_ = true;
    broken_ = false;
    const ReadyOffer offer{kAgentExtension, started_ms_, ready_ms_};
    port_->Write(EncodeControl(ControlCode::kReady, Encode(offer)));
}

void ControlChannel::OnDisconnect() {
    ++connection_;
    decoder_.Clear();
    link_.Close();
    port_->DropQueue();
    if (std::exchange(rehearsed_, false)) Say(kRehearsedLine);
}

// Frames are looked for first: a plain message that was cut must not take a Hello for its rest.
void ControlChannel::OnData(std::string_view bytes) {
    if (link_.agreed()) {
        link_.Push(bytes);
        TakeFrames();
    }
    if (plain_ && !broken_) decoder_.Push(bytes);
    RunCommands();
}

void ControlChannel::RunCommands() {
    if (dispatching_)
        return;  // a command that was answered at once: the loop below goes on by itself
    while (!busy_) {
        if (!queue_.empty())
            RunRequest();
        else if (!plain_ || broken_ || !RunPlain())
            return;
    }
}

void ControlChannel::Run(const ControlMessage& message, const Pod::Reply& reply) {
    busy_ = true;
    dispatching_ = true;
    if (running_ && message.code == ControlCode::kListSessions)
        reply(Encode(io_.Sessions()));
    else
        Dispatch(pod_, message, reply);
    dispatching_ = false;
}

bool ControlChannel::RunPlain() {
    // A Hello, of which the rest is to come, is no plain message.
    const std::string_view pending = decoder_.pending();
    if (link_.AtFrame() || (!pending.empty() && link_.marker().starts_with(pending))) return false;
    const auto message = decoder_.Next();
    if (!message) {
        Log(LogLevel::kError, "control channel: ignoring everything until the host connects again",
            {{"error", message.error().message}});
        broken_ = true;
        port_->Write(EncodeControl(ControlCode::kError, message.error().message));
        return false;
    }
    if (!*message) return false;
    if ((*message)->code == ControlCode::kVersion) {
        AcceptVersion((*message)->payload);
        return true;
    }
    if (link_.agreed() && TakesOwnership((*message)->code)) StartOver({});
    rehearsed_ = (*message)->code == ControlCode::kRehearse;
    Run(**message, [this, connection = connection_](const Result<std::string>& result) {
        AnswerPlain(connection, result);
    });
    if (busy_) port_->PauseReading();
    return true;
}

void ControlChannel::AcceptVersion(std::string_view payload) {
    const auto accept = ParseVersionAccept(payload);
    if (!accept) {
        port_->Write(EncodeControl(ControlCode::kError, accept.error().message));
        return;
    }
    port_->Write(EncodeControl(ControlCode::kAck, {}));
    if (accept->extension < kLinkExtension) {
        if (link_.agreed()) StartOver({});
        return;
    }
    StartOver(accept->marker);
    plain_ = false;
    link_.Push(decoder_.pending());
    decoder_.Clear();
    TakeFrames();
}

void ControlChannel::AnswerPlain(uint64_t connection, const Result<std::string>& result) {
    busy_ = false;
    if (connection == connection_)
        port_->Write(result ? EncodeControl(ControlCode::kAck, *result)
                            : EncodeControl(ControlCode::kError, result.error().message));
    port_->ResumeReading();
    RunCommands();
}

// A proxy that knows nothing of what was before: with frames of a new marker or, without one, with
// 3.0's messages.
void ControlChannel::StartOver(const std::string& marker) {
    link_.Agree(marker);
    io_.StartOver(marker);
    queue_.clear();
    queued_ = 0;
    answers_.Clear();
}

void ControlChannel::TakeFrames() {
    while (const auto frame = link_.Next()) {
        if (frame->type == LinkType::kHello) BeginEpoch();
        if (frame->type == LinkType::kRequest) TakeRequest(*frame);
    }
}

void ControlChannel::BeginEpoch() {
    ++connection_;
    plain_ = false;
    decoder_.Clear();
    port_->DropQueue();
    port_->Write(link_.Encode({.type = LinkType::kHello}));
}

void ControlChannel::TakeRequest(const LinkFrame& frame) {
    const uint64_t id = frame.stream;
    if (const CommandAnswer* known = answers_.Find(id)) return SendReply(id, *known);
    const bool waits = std::any_of(queue_.begin(), queue_.end(),
                                   [&](const Request& request) { return request.id == id; });
    if (waits || running_ == id) return;
    const auto code = std::min<uint64_t>(frame.offset, UINT32_MAX);
    queue_.push_back({id, static_cast<ControlCode>(code), std::string(frame.payload)});
    queued_ += frame.payload.size() + kRequestCost;
    if (queued_ > kMaxQueued) port_->PauseReading();
}

void ControlChannel::RunRequest() {
    const Request request = std::move(queue_.front());
    queue_.pop_front();
    queued_ -= request.payload.size() + kRequestCost;
    if (queued_ <= kMaxQueued) port_->ResumeReading();
    running_ = request.id;
    Run({request.code, request.payload}, [this, id = request.id](Result<std::string> result) {
        AnswerRequest(id, std::move(result));
    });
}

void ControlChannel::AnswerRequest(uint64_t id, Result<std::string> result) {
    busy_ = false;
    running_.reset();
    if (result && result->size() > kMaxLinkPayload)
        result = Fail(Cat("an answer of ", result->size(), " bytes is too long"));
    CommandAnswer answer{result ? ControlCode::kAck : ControlCode::kError, {}};
    // An error is kept whatever its length, so that what has failed is not tried again.
    answer.text = result ? std::move(*result) : result.error().message.substr(0, Answers::kMaxText);
    SendReply(id, answer);
    answers_.Keep(id, std::move(answer));
    RunCommands();
}

void ControlChannel::SendReply(uint64_t id, const CommandAnswer& answer) {
    if (!link_.open()) return;  // whoever comes asks again
    port_->Write(link_.Encode({.type = LinkType::kReply,
                               .stream = id,
                               .offset = static_cast<uint64_t>(answer.code),
                               .payload = answer.text}));
}

}  // namespace cc::agent

// SPDX-License-Identifier: Apache-2.0
// A VM's control port: commands of all clients in one line, replies matched first in, first out.
// A client that gives up leaves its place in the line: the late reply is its, and dropped.
#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {
constexpr size_t kMaxAgentText = 64 * 1024;  // of an agent's error in an answer
// Tells the request ids of clients from the proxy's own (docs/protocol.md).
constexpr uint64_t kClientRequest = uint64_t{1} << 63;
}  // namespace

Result<void> Vm::CheckSize(std::string_view payload) const {
    const size_t size = kControlHeaderSize + payload.size();
    if (size > (extended() ? kMaxControlMessage : kMaxAgentMessageV3_0))
        return Fail(Cat("message too long ", size));
    return {};
}

Result<void> Vm::Send(ControlCode code, std::string_view payload, uint64_t client, uint64_t session,
                      uint64_t request_id) {
    if (!control_.open()) return Fail("No multicast available for CTL channel");
    CC_TRY(CheckSize(payload));
    if (pending_.size() >= kMaxPendingReplies)
        return Fail(Cat("the agent of VM ", id_, " has not answered the last ", pending_.size(),
                        " commands"));
    if (control_.queued() > kMaxControlQueue)
        return Fail(Cat("the agent of VM ", id_, " does not read its commands"));
    uint64_t id = 0;
    if (linked()) {
        id = request_id != 0 ? request_id | kClientRequest
                             : uint64_t{epoch_} << 32 | ++last_request_;
        control_.Send(Encode(
            LinkFrame{epoch_, LinkType::kRequest, 0, id, static_cast<uint64_t>(code), payload},
            marker_));
    } else {
        control_.Send(EncodeControl(code, payload));
    }
    pending_.push_back({code, client, session, id});
    ++counters_.commands;
    counters_.control_out.Count(payload.size());
    if (Session* starts = FindSession(session)) starts->Sent();
    return {};
}

void Vm::StopWaiting(uint64_t client) {
    for (auto& pending : pending_)
        if (pending.client == client) pending.client = 0;
    MaybeEnd();
}

void Vm::StopWaitingForShim(uint64_t session) {
    if (Session* found = FindSession(session); found != nullptr && !found->sent()) found->Failed();
}

void Vm::Kill(const Session& session) {
    if (!CanSignal(session)) return;
    constexpr int64_t kSigKill = 9;
    KillContainer kill{session.container(), kSigKill, false, session.exec() ? session.base() : 0};
    (void)Send(ControlCode::kKillContainer, Encode(kill));
}

void Vm::ControlData(std::string_view bytes) {
    if (linked()) {
        control_link_.Lend(bytes);
        while (!lost()) {
            const auto frame = control_link_.Next();
            if (!frame) break;
            HandleLinkControl(*frame);
        }
        return control_link_.Keep();
    }
    control_decoder_.Push(bytes);
    while (!lost() && !linked()) {
        const auto message = control_decoder_.Next();
        if (!message) return Lose(Cat("its control port: ", message.error().message));
        if (!*message) return;
        Handle(**message);
    }
}

void Vm::Handle(const ControlMessage& message) {
    const auto code = message.code;
    counters_.control_in.Count(message.payload.size());
    // Flow control of an older agent, and events nobody has asked for: of no use here.
    if (code == ControlCode::kNext || code == ControlCode::kProcessAsyncEvent) {
        Log(LogLevel::kDebug, "dropping a message of the agent",
            {{"vm", id_}, {"code", Cat(static_cast<uint32_t>(code))}});
        return;
    }
    if (code == ControlCode::kReady) return HandleReady(message.payload);
    const auto number = static_cast<uint32_t>(code);
    if (state_ == State::kConnecting || state_ == State::kWaitingReady)
        return RegistrationFailed(Cat("CMD ID received ", number,
                                      " not matching expected 8, control msg received : ",
                                      message.payload.substr(0, kMaxAgentText)));
    if (code == ControlCode::kAck || code == ControlCode::kError)
        return HandleReply(code == ControlCode::kAck, message.payload);
    Lose(Cat("its agent sent a control message of the unknown code ", number));
}

void Vm::HandleReply(bool success, std::string_view payload) {
    if (pending_.empty()) return Lose("its agent answered a command that nobody sent");
    const Pending pending = pending_.front();
    pending_.pop_front();
    if (pending.code == ControlCode::kVersion) {
        // An agent that takes its offer back is served as 3.0's.
        extension_ = success ? std::min(offer_.extension, kAgentExtension) : 0;
        return linked() ? StartEpoch() : Registered();
    }
    Replied(pending, success, payload);
}

void Vm::Replied(const Pending& pending, bool success, std::string_view payload) {
    if (!success) ++counters_.command_errors;
    if (Session* session = FindSession(pending.session)) {
        if (success)
            session->Started();
        else
            session->Failed();
    }
    if (Client* client = router_.FindClient(pending.client)) {
        if (success)
            client->Answer(payload);
        else
            client->Refuse(Cat("ERROR received from VM agent, control msg received : ",
                               payload.substr(0, kMaxAgentText)),
                           ErrorCode::kAgent);
    }
    MaybeEnd();
}

}  // namespace cc::proxy

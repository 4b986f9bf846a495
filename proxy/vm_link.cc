// SPDX-License-Identifier: Apache-2.0
// A VM whose agent knows extension 2 (docs/protocol.md): Hello and epochs, frames, and the adoption
// of what an earlier proxy has served.
#include <algorithm>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/vm.h"

namespace cc::proxy {

namespace {
constexpr size_t kWindowPayload = 8, kExitPayload = 2;
constexpr size_t kMinRecordRoom = 16 * 1024;
}  // namespace

// This proxy owns the VM once both ports have answered its Hello: then what an earlier one, or an
// earlier connection of ours, has left in the ports is behind us.
void Vm::StartEpoch() {
    state_ = State::kGreeting;
    control_link_.SetMarker(marker_);
    io_link_.SetMarker(marker_);
    ++epoch_;
    Changed();
    const std::string hello = Encode(LinkFrame{epoch_, LinkType::kHello, 0, 0, 0, {}}, marker_);
    control_.Send(hello);
    io_.Send(hello);
    if (adopting_) return;  // it takes as long as it takes; clients have deadlines
    ExpectGuest(kReplyDeadline, [this] {
        RegistrationFailed(Cat("the agent of VM ", id_, " has not answered Hello within ",
                               kReplyDeadline.count() / 1000, " s"));
    });
}

void Vm::Greeted(Port port) {
    (port == Port::kControl ? control_greeted_ : io_greeted_) = true;
    if (state_ != State::kGreeting || !control_greeted_ || !io_greeted_) return;
    if (!adopting_) return Registered();
    state_ = State::kListing;
    (void)Send(ControlCode::kListSessions, {});
}

void Vm::HandleLinkControl(const LinkFrame& frame) {
    counters_.control_in.Count(frame.payload.size());
    if (frame.epoch != epoch_) return;
    if (frame.type == LinkType::kHello) return Greeted(Port::kControl);
    if (frame.type == LinkType::kReply) return HandleLinkReply(frame);
    Lose(Cat("its agent sent a frame of type ", static_cast<int>(frame.type),
             " on its control port"));
}

// An answer that nobody waits for is one to an earlier proxy's request.
void Vm::HandleLinkReply(const LinkFrame& frame) {
    const auto answers = [&](const Pending& pending) { return pending.id == frame.stream; };
    const bool success = frame.offset == static_cast<uint64_t>(ControlCode::kAck);
    while (true) {
        const auto found = std::find_if(pending_.begin(), pending_.end(), answers);
        if (found == pending_.end()) return;
        const Pending pending = *found;
        pending_.erase(found);
        if (pending.code == ControlCode::kListSessions)
            HandleSessions(success, frame.payload);
        else
            Replied(pending, success, frame.payload);
    }
}

void Vm::HandleLinkIo(const LinkFrame& frame) {
    counters_.io_in.Count(frame.payload.size());
    if (frame.epoch != epoch_) return;
    if (frame.type == LinkType::kHello) return Greeted(Port::kIo);
    const bool on_stderr = frame.stream % 2 == 0;
    Session* session = FindSession(on_stderr ? frame.stream - 1 : frame.stream);
    // One that was given up while this was on its way.
    if (session == nullptr) return counters_.strays.Count(frame.payload.size());
    switch (frame.type) {
        case LinkType::kData: {
            const auto received = session->ReceiveData(on_stderr, frame.offset, frame.payload,
                                                       (frame.flags & kLinkEnd) != 0);
            return received ? void() : Lose(received.error().message);
        }
        case LinkType::kWindow:
            if (on_stderr || frame.payload.size() != kWindowPayload)
                return Lose("its agent sent a bad window");
            return session->ReceiveInputWindow({frame.offset, LoadBigEndian<8>(frame.payload, 0)});
        case LinkType::kExit:
            if (on_stderr || frame.payload.size() != kExitPayload)
                return Lose("its agent sent a bad exit");
            return session->ReceiveEnd({static_cast<unsigned char>(frame.payload[0]),
                                        static_cast<unsigned char>(frame.payload[1]),
                                        (frame.flags & kLinkOutOfMemory) != 0},
                                       (frame.flags & kLinkEarly) != 0);
        default:
            return Lose(Cat("its agent sent a frame of type ", static_cast<int>(frame.type),
                            " on its I/O port"));
    }
}

void Vm::HandleSessions(bool success, std::string_view payload) {
    const auto list = success ? ParseAgentSessions(payload)
                              : Result<std::vector<AgentSession>>(Fail(std::string(payload)));
    if (!list) return Lose(Cat("its agent does not say what lives on: ", list.error().message));
    std::map<uint64_t, const AgentSession*> known;
    for (const auto& session : *list)
        known[session.base] = &session;
    for (const auto& session : *list)
        if (session.base != kNullSession && FindSession(session.base) == nullptr)
            Forget(session.base);
    std::vector<Session*> over;
    for (const auto& [base, session] : sessions_) {
        const auto found = known.find(base);
        if (!session->Resume(found == known.end() ? nullptr : found->second))
            over.push_back(session.get());
    }
    for (Session* session : over)
        RemoveSession(*session);
    Adopted();
}

// An agent without the extension cannot say what it has lost; it is served as well as can be.
void Vm::Adopted() {
    if (lost()) return;
    state_ = State::kRunning;
    if (!linked())
        for (const auto& [base, session] : sessions_)
            session->AwaitShim();
    Log(LogLevel::kInfo, "VM adopted from an earlier proxy",
        {{"vm", id_}, {"epoch", Cat(epoch_)}, {"sessions", Cat(sessions_.size())}});
    Changed();
    EndAdoption();
    if (unregistered_) deadline_.Set(router_.After(kShimReturn), [this] { MaybeEnd(); });
}

void Vm::EndAdoption() {
    if (std::exchange(adopting_, false)) router_.AdoptionEnded(*this);
}

void Vm::SendData(uint64_t sequence, uint64_t offset, std::string_view bytes, bool end) {
    const uint8_t flags = end ? kLinkEnd : 0;
    counters_.io_out.Count(bytes.size());
    const LinkFrame frame{epoch_, LinkType::kData, flags, sequence, offset, bytes};
    io_.SendFrame([&](std::string& out) { AppendLinkHeader(out, frame, marker_); }, bytes);
}

void Vm::SendWindow(uint64_t sequence, const StreamWindow& window, uint8_t flags) {
    std::string limit;
    AppendBigEndian<8>(limit, window.limit);
    io_.Send(Encode(LinkFrame{epoch_, LinkType::kWindow, flags, sequence, window.offset, limit},
                    marker_));
}

// Nobody will ask for this session again: the agent need not keep anything of it.
void Vm::Forget(uint64_t base) {
    io_.Send(Encode(LinkFrame{epoch_, LinkType::kForget, 0, base, 0, {}}, marker_));
}

VmRecord Vm::record() const {
    VmRecord record{record_name_, request_, unregistered_, extension_, offer_,
                    marker_,      epoch_,   next_base_,    {},         {}};
    for (const auto& [base, session] : sessions_)
        record.sessions.push_back(session->record());
    for (auto token = spent_.rbegin();
         token != spent_.rend() && record.spent.size() < kMaxSpentTokensInRecord; ++token)
        if ((*token)->request != 0)
            record.spent.push_back(
                {(*token)->base, (*token)->text, (*token)->user, (*token)->request});
    std::ranges::reverse(record.spent);
    return record;
}

std::string Vm::RecordOfGone(uint64_t base) const {
    const auto token = std::find_if(spent_.rbegin(), spent_.rend(),
                                    [base](const Token* spent) { return spent->base == base; });
    if (token == spent_.rend() || (*token)->request == 0) return EncodeGone(base);
    return EncodeGone(SpentRecord{base, (*token)->text, (*token)->user, (*token)->request});
}

void Vm::Changed() {
    save_whole_ = true;
    router_.WillSave(*this);
}

void Vm::Changed(uint64_t session) {
    if (std::find(changed_.begin(), changed_.end(), session) == changed_.end())
        changed_.push_back(session);
    router_.WillSave(*this);
}

void Vm::Save() {
    if (over_) {
        if (!record_name_.empty()) router_.world().RemoveRecord(record_name_);
        return;
    }
    const auto changed = std::exchange(changed_, {});
    if (save_whole_ || !SaveChanges(changed)) Saved(SaveWhole());
}

Result<void> Vm::SaveWhole() {
    save_whole_ = true;
    if (record_name_.empty()) {
        CC_ASSIGN(record_name_, router_.world().NewRecordName());
    }
    const std::string whole = Encode(record());
    CC_TRY(router_.world().SaveRecord(record_name_, whole));
    save_whole_ = false;
    record_room_ = std::max(kMinRecordRoom, whole.size());
    return {};
}

// Without a record the VM is served all the same: it would only not survive this proxy.
void Vm::Saved(const Result<void>& how) {
    if (const bool failed = !how; failed != std::exchange(save_failed_, failed))
        Log(failed ? LogLevel::kError : LogLevel::kInfo,
            failed ? "the VM would not survive this proxy: its record cannot be written"
                   : "the VM's record is written again",
            {{"vm", id_}, {"error", failed ? how.error().message : ""}});
    if (save_failed_) save_again_.Set(router_.After(kSaveRetry), [this] { Changed(); });
}

// False: the record is to be written anew, because it has grown to twice what it says, or could not
// be added to.
bool Vm::SaveChanges(const std::vector<uint64_t>& sessions) {
    std::string changes;
    for (const uint64_t base : sessions) {
        const Session* session = FindSession(base);
        changes += session != nullptr ? EncodeChange(session->record()) : RecordOfGone(base);
    }
    if (changes.size() > record_room_) return false;
    record_room_ -= changes.size();
    return router_.world().AppendRecord(record_name_, changes).has_value();
}

}  // namespace cc::proxy

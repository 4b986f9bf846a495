// SPDX-License-Identifier: Apache-2.0
// A VM's tokens and sessions, and the bytes that flow between its I/O port and the shims.
#include "base/log.h"
#include "base/text.h"
#include "proxy/client.h"
#include "proxy/router.h"
#include "proxy/vm.h"

namespace cc::proxy {

std::string TooManyTokens(int64_t count) {
    return Cat("numIOStreams is ", count, ", at most ", kMaxTokensPerRequest,
               " are given in one answer");
}

Result<std::vector<std::string>> Vm::NewTokens(int64_t count, uid_t user) {
    std::vector<std::string> tokens;
    if (count <= 0) return tokens;
    if (count > static_cast<int64_t>(kMaxTokensPerRequest)) return Fail(TooManyTokens(count));
    if (!running()) return Fail(why_lost_);
    if (sessions_.size() + static_cast<size_t>(count) > kMaxSessionsPerVm)
        return Fail(Cat("the VM ", id_, " has ", sessions_.size(), " sessions, at most ",
                        kMaxSessionsPerVm, " are possible"));
    while (tokens.size() < static_cast<size_t>(count)) {
        CC_ASSIGN(std::string text, router_.world().NewToken());
        const auto session = std::make_shared<Session>(*this, next_base_, AddToken(text, user));
        AddSession(session);
        session->AwaitShim();
        Changed(next_base_);
        next_base_ += 2;
        tokens.push_back(std::move(text));
    }
    return tokens;
}

Token* Vm::AddToken(std::string text, uid_t user) {
    return router_.tokens().Add({std::move(text), user, this, nullptr});
}

void Vm::AddSession(const std::shared_ptr<Session>& session) {
    session->token()->session = session.get();
    sessions_.emplace(session->base(), session);
}

std::string Vm::MakeIoResponse(std::vector<std::string> tokens, uint16_t version,
                               bool connection) const {
    IoResponse response{router_.url(), std::move(tokens), std::nullopt, connection};
    if (extended()) response.agent = AgentInfo{offer_.started_ms, offer_.ready_ms, extension_};
    return Encode(response, version);
}

Session* Vm::FindSession(uint64_t base) {
    const auto found = sessions_.find(base);
    return found == sessions_.end() ? nullptr : found->second.get();
}

void Vm::RemoveSession(Session& session, TokenGoes token) {
    const auto found = sessions_.find(session.base());
    if (found == sessions_.end()) return;
    Log(LogLevel::kInfo, "session ended", {{"vm", id_}, {"session", Cat(session.base())}});
    if (token == TokenGoes::kAsSpent)
        Retire(session);
    else
        router_.tokens().Remove(session.token());
    if (linked() && session.reserved()) Forget(session.base());
    Changed(session.base());
    router_.Bury(std::move(found->second));
    sessions_.erase(found);
    MaybeEnd();
}

void Vm::Retire(const Session& session) {
    Token* const token = session.token();
    token->session = nullptr;
    // The end of a process may be heard before the answer to the command that started it.
    if (session.started() || session.exited()) token->request = session.request();
    token->base = session.base();
    spent_.push_back(token);
    if (spent_.size() <= kMaxSpentTokensPerVm) return;
    router_.tokens().Remove(spent_.front());
    spent_.pop_front();
}

void Vm::WriteStdin(const Session& session, std::string_view bytes) {
    const size_t limit = (extended() ? kMaxIoMessage : kMaxAgentMessageV3_0) - kIoHeaderSize;
    do {  // once for no bytes, which means end of file
        const std::string_view piece = bytes.substr(0, limit);
        io_.SendFrame([&](std::string& out) { AppendIoHeader(out, session.base(), piece.size()); },
                      piece);
        counters_.io_out.Count(piece.size());
        bytes.remove_prefix(piece.size());
    } while (!bytes.empty());
    room_wanted_ = room_wanted_ || io_full();
}

void Vm::IoWritten() {
    if (!room_wanted_ || io_.queued() > kLowWater) return;
    room_wanted_ = false;
    for (const auto& [base, session] : sessions_)
        if (session->shim() != nullptr) session->shim()->AgentHasRoom();
}

void Vm::ShimOverMark(bool over) {
    if (over && shims_over_mark_ == 0) ++counters_.stalls;
    shims_over_mark_ = over ? shims_over_mark_ + 1 : shims_over_mark_ - 1;
    // Without credit there is only the port as a whole to hold back; the control port stays live.
    io_.SetReading(shims_over_mark_ == 0);
}

void Vm::IoData(std::string_view bytes) {
    if (linked()) {
        io_link_.Lend(bytes);
        while (!lost()) {
            const auto frame = io_link_.Next();
            if (!frame) break;
            HandleLinkIo(*frame);
        }
        return io_link_.Keep();
    }
    io_decoder_.Lend(bytes);
    while (!lost()) {
        const auto message = io_decoder_.Next();
        if (!message) Lose(Cat("its I/O port: ", message.error().message));
        if (!message || !*message) break;
        Route(**message);
    }
    io_decoder_.Keep();
}

void Vm::Route(const IoMessage& message) {
    // Bases are odd, the next number is the same session's stderr.
    const bool on_stderr = message.sequence % 2 == 0;
    counters_.io_in.Count(message.payload.size());
    const uint64_t base = on_stderr ? message.sequence - 1 : message.sequence;
    if (base == kNullSession) return;
    if (Session* session = FindSession(base)) return session->Receive(on_stderr, message.payload);
    counters_.strays.Count(message.payload.size());
    if (counters_.strays.frames == 1)
        Log(LogLevel::kDebug, "dropping output that belongs to no session",
            {{"vm", id_}, {"sequence", Cat(message.sequence)}});
}

}  // namespace cc::proxy

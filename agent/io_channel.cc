// SPDX-License-Identifier: Apache-2.0
#include "agent/io_channel.h"

#include <algorithm>

#include "base/log.h"

namespace cc::agent {

namespace {
// Input that waits for one session to take it: above the first mark the port is not read, below the
// second again. Extension 2 has windows instead.
constexpr size_t kBacklogHigh = 256 * 1024;
constexpr size_t kBacklogLow = 64 * 1024;
}  // namespace

IoChannel::IoChannel(uv::Loop& loop) : loop_(loop), sweep_(loop, [this] { removed_.clear(); }) {}

Port::Callbacks IoChannel::PortCallbacks() {
    return {.on_connect = [this] { OnConnect(); },
            .on_disconnect = [this] { OnDisconnect(); },
            .on_data = [this](std::string_view bytes) { OnData(bytes); },
            .on_room = [this] { ResumeSessions(); }};
}

void IoChannel::Use(std::unique_ptr<Port> port) {
    port_ = std::move(port);
    port_->Start();
}

void IoChannel::OnConnect() {
    decoder_.Clear();
    broken_ = false;
    link_.Close();
    ResumeSessions();
}

// Frames are of an epoch that is over; 3.0's messages are for whoever comes.
void IoChannel::OnDisconnect() {
    decoder_.Clear();
    link_.Close();
    if (link_.agreed()) port_->DropQueue();
}

Session& IoChannel::Add(uint64_t stdio, uint64_t stderr_sequence) {
    const auto mode = !link_.agreed()         ? Session::Mode::kPlain
                      : stdio == kNullSession ? Session::Mode::kDiscarded
                                              : Session::Mode::kKept;
    sessions_.push_back(std::make_unique<Session>(loop_, *this, stdio, stderr_sequence, mode));
    return *sessions_.back();
}

void IoChannel::Remove(Session& session) {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& candidate) {
        return candidate.get() == &session;
    });
    if (found == sessions_.end()) return;
    removed_.push_back(std::move(*found));
    sessions_.erase(found);
    Unclog(session);
    sweep_.Start(std::chrono::milliseconds(0));
}

Session* IoChannel::Find(uint64_t stdio) {
    // From the newest: processes without a shim all have the same numbers.
    for (auto session = sessions_.rbegin(); session != sessions_.rend(); ++session)
        if ((*session)->stdio() == stdio) return session->get();
    return nullptr;
}

void IoChannel::OnData(std::string_view bytes) {
    if (link_.agreed()) {
        link_.Push(bytes);
        TakeFrames();
    }
    // Before a Hello this may be a 3.0 proxy, as will show on the control channel. What it sends
    // until then is for nobody, but the next message must begin where it begins.
    if (link_.open() || broken_) return;
    decoder_.Push(bytes);
    TakeMessages();
}

void IoChannel::TakeMessages() {
    while (true) {
        const auto message = decoder_.Next();
        if (!message) {
            if (!link_.agreed())
                Log(LogLevel::kError,
                    "I/O channel: ignoring everything until the host connects again",
                    {{"error", message.error().message}});
            broken_ = true;
            return;
        }
        if (!*message) return;
        const IoMessage& frame = **message;
        Session* session = frame.sequence == 0 ? nullptr : Find(frame.sequence);
        // Of a process that has ended, or that never was.
        if (session == nullptr || session->mode() != Session::Mode::kPlain) continue;
        session->Input(frame.payload);
        if (session->backlog() > kBacklogHigh) Clog(*session);
    }
}

void IoChannel::Clog(const Session& session) {
    clogged_.insert(&session);
    port_->PauseReading();
}

void IoChannel::Unclog(const Session& session) {
    if (clogged_.erase(&session) > 0 && clogged_.empty()) port_->ResumeReading();
}

void IoChannel::BacklogChanged(Session& session) {
    if (session.backlog() < kBacklogLow) Unclog(session);
}

void IoChannel::ResumeSessions() {
    if (link_.agreed()) return SendAllOutput();
    // By index: a session that finishes meanwhile leaves the list.
    for (size_t i = 0; i < sessions_.size() && MaySend(); ++i)
        sessions_[i]->Resume();
}

void IoChannel::StartOver(const std::string& marker) {
    // A copy, as those whose process has ended leave the list.
    std::vector<Session*> before;
    for (const auto& session : sessions_)
        before.push_back(session.get());
    for (Session* session : before) {
        session->Discard();
        Unclog(*session);
    }
    if (link_.open()) {
        // Plain messages begin with the next byte.
        decoder_.Clear();
        broken_ = false;
    }
    link_.Agree(marker);
    port_->DropQueue();
}

}  // namespace cc::agent

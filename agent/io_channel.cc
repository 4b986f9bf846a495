// SPDX-License-Identifier: Apache-2.0
#include "agent/io_channel.h"

#include <algorithm>

#include "base/log.h"

namespace cc::agent {

namespace {
// Input that waits for one session to take it: above the first mark the port is not read, below the
// second again.
constexpr size_t kBacklogHigh = 256 * 1024;
constexpr size_t kBacklogLow = 64 * 1024;
}  // namespace

IoChannel::IoChannel(uv::Loop& loop) : loop_(loop), sweep_(loop, [this] { removed_.clear(); }) {}

Port::Callbacks IoChannel::PortCallbacks() {
    return {.on_connect =
                [this] {
                    decoder_.Clear();
                    broken_ = false;
                    ResumeSessions();
                },
            .on_disconnect = [this] { decoder_.Clear(); },
            .on_data = [this](std::string_view bytes) { OnData(bytes); },
            .on_room = [this] { ResumeSessions(); }};
}

void IoChannel::Use(std::unique_ptr<Port> port) {
    port_ = std::move(port);
    port_->Start();
}

Session& IoChannel::Add(uint64_t stdio, uint64_t stderr_sequence) {
    sessions_.push_back(std::make_unique<Session>(loop_, *this, stdio, stderr_sequence));
    return *sessions_.back();
}

void IoChannel::Remove(Session& session) {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(), [&](const auto& candidate) {
        return candidate.get() == &session;
    });
    if (found == sessions_.end()) return;
    removed_.push_back(std::move(*found));
    sessions_.erase(found);
    if (clogged_.erase(&session) > 0 && clogged_.empty()) port_->ResumeReading();
    sweep_.Start(std::chrono::milliseconds(0));
}

Session* IoChannel::Find(uint64_t stdio) {
    // From the newest: processes without a shim all have the same numbers.
    for (auto session = sessions_.rbegin(); session != sessions_.rend(); ++session)
        if ((*session)->stdio() == stdio) return session->get();
    return nullptr;
}

void IoChannel::BacklogChanged(Session& session) {
    if (session.backlog() < kBacklogLow && clogged_.erase(&session) > 0 && clogged_.empty())
        port_->ResumeReading();
}

void IoChannel::OnData(std::string_view bytes) {
    if (broken_) return;
    decoder_.Push(bytes);
    while (true) {
        auto message = decoder_.Next();
        if (!message) {
            Log(LogLevel::kError, "I/O channel: ignoring everything until the host connects again",
                {{"error", message.error().message}});
            broken_ = true;
            return;
        }
        if (!*message) return;
        const IoMessage& frame = **message;
        Session* session = frame.sequence == 0 ? nullptr : Find(frame.sequence);
        if (session == nullptr) continue;  // of a process that has ended, or that never was
        session->Input(frame.payload);
        if (session->backlog() > kBacklogHigh) {
            clogged_.insert(session);
            port_->PauseReading();
        }
    }
}

void IoChannel::ResumeSessions() {
    // By index: a session that finishes meanwhile leaves the list.
    for (size_t i = 0; i < sessions_.size() && MaySend(); ++i)
        sessions_[i]->Resume();
}

}  // namespace cc::agent

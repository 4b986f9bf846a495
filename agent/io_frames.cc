// SPDX-License-Identifier: Apache-2.0
// The I/O channel in extension 2.
#include <algorithm>

#include "agent/io_channel.h"

namespace cc::agent {

void IoChannel::Send(const LinkFrame& frame) {
    if (link_.open()) port_->Write(link_.Encode(frame));
}

void IoChannel::TakeFrames() {
    std::vector<Session*> touched;
    while (const auto frame = link_.Next()) {
        if (frame->type == LinkType::kHello) {
            BeginEpoch();
        } else if (frame->type == LinkType::kWindow) {
            TakeWindow(*frame, touched);
        } else if (Session* session = FindKept(frame->stream);
                   session != nullptr && session->stdio() == frame->stream) {
            if (frame->type == LinkType::kData)
                session->OnData(frame->offset, frame->payload, (frame->flags & kLinkEnd) != 0);
            if (frame->type == LinkType::kForget) session->Discard();
        }
    }
    // After all frames that came together: whoever rewinds does it for both streams of a process,
    // and needs to hear of its end only once.
    for (Session* session : touched)
        if (session->mode() == Session::Mode::kKept) {
            SendOutput(*session);
            session->kept().SayExit();
        }
}

void IoChannel::TakeWindow(const LinkFrame& frame, std::vector<Session*>& touched) {
    Session* session = FindKept(frame.stream);
    if (session == nullptr || frame.payload.size() != sizeof(uint64_t)) return;
    const bool rewind = (frame.flags & kLinkRewind) != 0;
    session->OnWindow(frame.stream, frame.offset, LoadBigEndian<8>(frame.payload, 0), rewind);
    if (std::find(touched.begin(), touched.end(), session) == touched.end())
        touched.push_back(session);
}

// What was queued for the host side of before is of no use to this one.
void IoChannel::BeginEpoch() {
    decoder_.Clear();
    broken_ = false;
    port_->DropQueue();
    Send({.type = LinkType::kHello});
    for (const auto& session : sessions_)
        if (session->mode() == Session::Mode::kKept) session->kept().BeginEpoch(session->backlog());
}

// By its base, or by the number of its stderr; from the newest.
Session* IoChannel::FindKept(uint64_t sequence) {
    for (auto session = sessions_.rbegin(); session != sessions_.rend(); ++session)
        if ((*session)->mode() == Session::Mode::kKept && (*session)->Has(sequence))
            return session->get();
    return nullptr;
}

std::vector<AgentSession> IoChannel::Sessions() {
    std::vector<AgentSession> list;
    for (const auto& session : sessions_)
        if (session->mode() == Session::Mode::kKept)
            list.push_back(session->kept().Describe(session->backlog()));
    return list;
}

void IoChannel::SendOutput(Session& session) {
    while (MaySend() && session.kept().SendSome()) {
    }
}

// A frame a stream in turn, beginning with the session after the one that was last, so that a busy
// one costs the others nothing.
void IoChannel::SendAllOutput() {
    size_t idle = 0;
    while (MaySend() && idle < sessions_.size()) {
        turn_ = (turn_ + 1) % sessions_.size();
        Session& session = *sessions_[turn_];
        const bool sent = session.mode() == Session::Mode::kKept && session.kept().SendSome();
        idle = sent ? 0 : idle + 1;
    }
}

}  // namespace cc::agent

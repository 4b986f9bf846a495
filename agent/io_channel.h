// SPDX-License-Identifier: Apache-2.0
// The I/O channel: carries the streams of all sessions, and makes the fast side wait for the slow
// one in both directions. In 3.0's messages until extension 2 is agreed, in its frames from then
// on (agent/link.h).
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "agent/link.h"
#include "agent/port.h"
#include "agent/session.h"
#include "protocol/agent_frame.h"

namespace cc::agent {

class IoChannel {
  public:
    explicit IoChannel(uv::Loop& loop);
    // To be called once, with the port that got the callbacks of PortCallbacks().
    void Use(std::unique_ptr<Port> port);
    Port::Callbacks PortCallbacks();

    // The session lives until it has finished (with extension 2: and was forgotten), or Remove().
    Session& Add(uint64_t stdio, uint64_t stderr_sequence);
    void Remove(Session& session);  // without a word to the host
    Session* Find(uint64_t stdio);

    // For the control channel: a proxy that knows nothing of the sessions of before, with a marker
    // of extension 2 or none. Their processes go on, and nobody hears of them.
    void StartOver(const std::string& marker);
    std::vector<AgentSession> Sessions();

    // For sessions.
    bool MaySend() const { return link_.agreed() == link_.open() && !port_->congested(); }
    void Send(uint64_t sequence, std::string_view bytes) {
        port_->Write(EncodeIo(sequence, bytes));
    }
    void Send(const LinkFrame& frame);  // dropped when nobody is there who takes frames
    void SendOutput(Session& session);  // as much as it may
    void BacklogChanged(Session& session);

  private:
    void OnConnect();
    void OnDisconnect();
    void OnData(std::string_view bytes);
    void ResumeSessions();

    // 3.0's messages.
    void TakeMessages();
    void Clog(const Session& session);
    void Unclog(const Session& session);

    // Frames of extension 2.
    void TakeFrames();
    void BeginEpoch();
    Session* FindKept(uint64_t sequence);
    void TakeWindow(const LinkFrame& frame, std::vector<Session*>& touched);
    void SendAllOutput();

    uv::Loop& loop_;
    std::unique_ptr<Port> port_;
    IoDecoder decoder_;
    // The host sent what is no message; no other is taken until it connects again.
    bool broken_ = false;
    std::vector<std::unique_ptr<Session>> sessions_;
    // Sessions with so much input waiting that nothing more is read for anybody. 3.0's only.
    std::set<const Session*> clogged_;
    // Sessions are destroyed a turn later, as they may be on the stack.
    std::vector<std::unique_ptr<Session>> removed_;
    uv::Timer sweep_;

    Link link_;
    size_t turn_ = 0;  // of the session that sends next
};

}  // namespace cc::agent

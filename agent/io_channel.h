// SPDX-License-Identifier: Apache-2.0
// The I/O channel: carries the streams of all sessions, and makes the fast side wait for the slow
// one in both directions.
#pragma once

#include <memory>
#include <set>
#include <vector>

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

    // The session lives until it has finished, or Remove().
    Session& Add(uint64_t stdio, uint64_t stderr_sequence);
    void Remove(Session& session);  // without a word to the host: its process never ran
    Session* Find(uint64_t stdio);

    // For sessions.
    bool MaySend() const { return !port_->congested(); }
    void Send(uint64_t sequence, std::string_view bytes) {
        port_->Write(EncodeIo(sequence, bytes));
    }
    void BacklogChanged(Session& session);
    void Finished(Session& session) { Remove(session); }

  private:
    void OnData(std::string_view bytes);
    void ResumeSessions();

    uv::Loop& loop_;
    std::unique_ptr<Port> port_;
    IoDecoder decoder_;
    // The host sent what is no frame; nothing is read until it connects again.
    bool broken_ = false;
    std::vector<std::unique_ptr<Session>> sessions_;
    // Sessions with so much input waiting that nothing more is read for anybody.
    std::set<const Session*> clogged_;
    // Sessions are destroyed a turn later, as they may be on the stack.
    std::vector<std::unique_ptr<Session>> removed_;
    uv::Timer sweep_;
};

}  // namespace cc::agent

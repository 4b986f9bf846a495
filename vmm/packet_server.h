// SPDX-License-Identifier: Apache-2.0
// The serving end of a SOCK_SEQPACKET socket: connections, who may make them, and packets in and
// out, with descriptors. What a request means is the handler's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc {

class PacketServer {
  public:
    struct Reply {
        std::string text;
        std::vector<Fd> fds = {};
    };
    // Answers a request, now or later. Safe to call when the connection or the server has gone.
    using Answer = std::function<void(const Reply&)>;
    // An error: the packet could not be received; it is to be answered all the same.
    using Handler = std::function<void(Result<Received> request, Answer answer)>;
    // Enough for every command that may deal with one VM at a time; more are refused.
    static constexpr size_t kMaxConnections = 64;

    // `listener` listens on a SOCK_SEQPACKET socket.
    static Result<std::unique_ptr<PacketServer>> Open(uv::Loop& loop, Fd listener, Handler handler);
    ~PacketServer();

    // A connection that was made elsewhere.
    Result<void> Serve(Fd socket);

  private:
    struct Connection {
        Fd socket;
        std::unique_ptr<uv::Poll> poll;
    };
    PacketServer(uv::Loop& loop, Fd listener, Handler handler);
    void Accept();
    void Receive(uint64_t id);
    void Send(uint64_t id, const Reply& reply);

    uv::Loop& loop_;
    Fd listener_;
    Handler handler_;
    uv::Poll poll_;
    std::map<uint64_t, Connection> connections_;
    uint64_t last_id_ = 0;
    std::shared_ptr<PacketServer*> self_ = std::make_shared<PacketServer*>(this);
};

}  // namespace cc

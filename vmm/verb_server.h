// SPDX-License-Identifier: Apache-2.0
// The keeper's end of the Vm verbs (protocol/vm_verbs.h): connections, who may make them, and
// packets in and out. What a verb does is the handler's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/uv/loop.h"
#include "protocol/vm_verbs.h"

namespace cc {

class VerbServer {
  public:
    // Answers a request, now or later. Safe to call when the connection or the server has gone.
    using Answer = std::function<void(const VmReply&)>;
    // `fd` is what came with the request, perhaps nothing.
    using Handler = std::function<void(const VmRequest& request, Fd fd, Answer answer)>;
    // Enough for every command that may deal with one VM at a time; more are refused.
    static constexpr size_t kMaxConnections = 64;

    // `listener` listens on a SOCK_SEQPACKET socket.
    static Result<std::unique_ptr<VerbServer>> Open(uv::Loop& loop, Fd listener, Handler handler);
    ~VerbServer();

  private:
    struct Connection {
        Fd socket;
        std::unique_ptr<uv::Poll> poll;
    };
    VerbServer(uv::Loop& loop, Fd listener, Handler handler);
    void Accept();
    void Receive(uint64_t id);
    void Reply(uint64_t id, const VmReply& reply, VmVerb verb);

    uv::Loop& loop_;
    Fd listener_;
    Handler handler_;
    uv::Poll poll_;
    std::map<uint64_t, Connection> connections_;
    uint64_t last_id_ = 0;
    std::shared_ptr<VerbServer*> self_ = std::make_shared<VerbServer*>(this);
};

}  // namespace cc

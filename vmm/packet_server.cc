// SPDX-License-Identifier: Apache-2.0
#include "vmm/packet_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "protocol/vm_verbs.h"

namespace cc {

Result<std::unique_ptr<PacketServer>> PacketServer::Open(uv::Loop& loop, Fd listener,
                                                         Handler handler) {
    CC_TRY(SetNonBlocking(listener.get()));
    auto server = std::unique_ptr<PacketServer>(
        new PacketServer(loop, std::move(listener), std::move(handler)));
    CC_TRY(server->poll_.Open(server->listener_.get()));
    server->poll_.Start(UV_READABLE);
    return server;
}

PacketServer::PacketServer(uv::Loop& loop, Fd listener, Handler handler)
    : loop_(loop),
      listener_(std::move(listener)),
      handler_(std::move(handler)),
      poll_(loop, [this](int) { Accept(); }) {}

PacketServer::~PacketServer() {
    *self_ = nullptr;
}

void PacketServer::Accept() {
    Fd socket =
        Fd::Adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    // The directory's mode keeps others out already; this holds if someone loosens it.
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
        (peer.uid != 0 && peer.uid != ::geteuid())) {
        Log(LogLevel::kWarn, "refused a connection of another user", {{"uid", Cat(peer.uid)}});
        return;
    }
    if (connections_.size() >= kMaxConnections) {
        Log(LogLevel::kWarn, "refused a connection: too many are open");
        return;
    }
    if (auto served = Serve(std::move(socket)); !served)
        Log(LogLevel::kWarn, "refused a connection", {{"why", served.error().message}});
}

Result<void> PacketServer::Serve(Fd socket) {
    CC_TRY(SetNonBlocking(socket.get()));
    const uint64_t id = ++last_id_;
    auto poll = std::make_unique<uv::Poll>(loop_, [this, id](int) { Receive(id); });
    CC_TRY(poll->Open(socket.get()));
    poll->Start(UV_READABLE);
    connections_.emplace(id, Connection{std::move(socket), std::move(poll)});
    return {};
}

void PacketServer::Receive(uint64_t id) {
    Connection& connection = connections_.at(id);
    auto received = ReceiveWithFds(connection.socket.get(), kMaxVmMessage);
    if (!received && received.error().code == EAGAIN) return;
    if (received && received->bytes.empty()) {
        connections_.erase(id);
        return;
    }
    // One request at a time: replies come in the order of the requests.
    connection.poll->Stop();
    handler_(std::move(received), [self = self_, id](const Reply& reply) {
        if (*self != nullptr) (*self)->Send(id, reply);
    });
}

void PacketServer::Send(uint64_t id, const Reply& reply) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    std::vector<int> fds;
    for (const auto& fd : reply.fds)
        fds.push_back(fd.get());
    // The reply fits an empty socket buffer; a peer that lets its buffer fill up does not read its
    // replies.
    if (auto sent = SendWithFds(found->second.socket.get(), reply.text, fds); !sent) {
        connections_.erase(found);
        return;
    }
    found->second.poll->Start(UV_READABLE);
}

}  // namespace cc

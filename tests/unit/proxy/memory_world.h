// SPDX-License-Identifier: Apache-2.0
// The router's world in memory: tests hold the far end of every stream and turn the clock.
#pragma once

#include <cerrno>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "protocol/client_messages.h"
#include "proxy/limits.h"
#include "proxy/router.h"
#include "proxy/stream.h"

namespace cc::proxy {

// The far end of a stream.
class Peer {
  public:
    std::string received;  // what the router has written and the peer has read
    std::string unread;    // written while the peer does not read
    pid_t pid = 4711;
    bool reads = true;         // false: a peer that has stopped reading
    bool closed = false;       // the router has closed the stream
    bool watched = true;       // the router reads
    bool may_send_fds = true;  // the router looks at descriptors
    size_t chunk = SIZE_MAX;   // bytes arrive in pieces of at most this size
    // Told of what the router writes before it is received.
    std::function<void(std::string_view)> on_write;

    void Send(std::string_view bytes) { backlog_ += bytes; }
    // Comes with the next bytes that are delivered.
    void SendDescriptor(Fd descriptor) { descriptor_ = std::move(descriptor); }
    void Close() { ended_ = true; }
    // Its process ends; the connection is another matter.
    void Die() {
        if (const auto ended = std::exchange(process_ended_, nullptr)) ended();
    }
    std::string Take() { return std::exchange(received, {}); }

  private:
    friend class MemoryWorld;
    friend class MemoryStream;
    friend class MemoryProcess;
    std::string backlog_;
    Fd descriptor_;
    bool ended_ = false;
    bool told_end_ = false;
    bool told_hangup_ = false;
    StreamHandler* handler_ = nullptr;
    std::function<void()> process_ended_;
};

class MemoryProcess final : public PeerProcess {
  public:
    explicit MemoryProcess(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}
    ~MemoryProcess() override { peer_->process_ended_ = nullptr; }
    pid_t pid() const override { return peer_->pid; }
    void Watch(std::function<void()> ended) override { peer_->process_ended_ = std::move(ended); }

  private:
    std::shared_ptr<Peer> peer_;
};

class MemoryStream final : public Stream {
  public:
    explicit MemoryStream(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}
    ~MemoryStream() override {
        peer_->closed = true;
        peer_->handler_ = nullptr;
    }
    void SetHandler(StreamHandler* handler) override { peer_->handler_ = handler; }
    void Write(std::span<const iovec> slices) override {
        std::string bytes;
        for (const auto& slice : slices)
            bytes.append(static_cast<const char*>(slice.iov_base), slice.iov_len);
        if (peer_->told_end_ || peer_->closed) return;
        if (peer_->on_write) peer_->on_write(bytes);
        if (peer_->reads && peer_->unread.empty())
            peer_->received += bytes;
        else
            peer_->unread += bytes;
    }
    size_t queued() const override { return peer_->unread.size(); }
    void SetReading(bool on) override { peer_->watched = on; }
    void IgnoreDescriptors() override { peer_->may_send_fds = false; }
    std::unique_ptr<PeerProcess> peer_process() override {
        return std::make_unique<MemoryProcess>(peer_);
    }

  private:
    std::shared_ptr<Peer> peer_;
};

class MemoryWorld final : public World {
  public:
    using PeerPtr = std::shared_ptr<Peer>;

    Router router{*this, "unix:///run/cc/vms/p.sock"};
    std::deque<std::string> tokens;         // handed out first
    std::map<std::string, int> listeners;   // socket paths: 0, or the errno of connecting
    std::map<std::string, PeerPtr> agents;  // whoever was connected to last, by path
    std::set<std::string> paused;           // control sockets of VMs that are

    Result<std::unique_ptr<Stream>> Connect(const std::string& path) override {
        const auto found = listeners.find(path);
        const int error = found == listeners.end() ? ENOENT : found->second;
        if (error != 0) return FailErrno(Cat("connecting to ", path), error);
        agents[path] = NewPeer();
        return std::make_unique<MemoryStream>(agents[path]);
    }
    // The far end of what a client has passed.
    PeerPtr passed;
    Result<std::unique_ptr<Stream>> TakeConnection(Fd descriptor) override {
        CC_TRY(CheckUnixConnection(descriptor.get()));
        passed = NewPeer();
        return std::make_unique<MemoryStream>(passed);
    }
    bool VmPaused(const std::string& ctl_socket) override { return paused.contains(ctl_socket); }
    std::chrono::milliseconds Now() override { return now_; }
    Result<std::string> NewToken() override {
        if (tokens.empty()) return MakeToken();
        std::string token = tokens.front();
        tokens.pop_front();
        return token;
    }
    void Settled() override {}
    Result<std::string> NewRecordName() override {
        std::string name;
        do
            name = Cat("record-", ++last_record_);
        while (records.contains(name));  // of an earlier proxy
        return name;
    }
    Result<void> SaveRecord(const std::string& name, std::string_view text) override {
        if (disk_full) return FailErrno("writing a record", ENOSPC);
        records[name] = text;
        return {};
    }
    Result<void> AppendRecord(const std::string& name, std::string_view text) override {
        const auto found = records.find(name);
        if (disk_full) return FailErrno("adding to a record", ENOSPC);
        if (found == records.end()) return Fail(Cat("there is no record ", name));
        found->second += text;
        return {};
    }
    void RemoveRecord(const std::string& name) override { records.erase(name); }
    std::map<std::string, std::string> records;
    bool disk_full = false;

    PeerPtr NewClient(uid_t user = 0) {
        auto peer = NewPeer();
        router.AddClient(std::make_unique<MemoryStream>(peer), user);
        return peer;
    }
    // Delivers everything that is on its way, and does what is due.
    void Run() {
        while (Step() || RunDue()) {
        }
    }
    void Pass(std::chrono::milliseconds time) {
        now_ += time;
        router.RunDeadlines();
        Run();
    }

    // Every peer reads what it was sent and leaves.
    void AllLeave() {
        for (const auto& peer : peers_) {
            peer->reads = true;
            peer->Close();
        }
    }
    // Forgets the far ends of streams that are closed.
    void Prune() {
        std::erase_if(peers_, [](const PeerPtr& peer) { return peer->closed; });
    }

    // Delivers what one read of each peer's takes.
    bool Step();

  private:
    bool RunDue() {
        const auto next = router.NextDeadline();
        if (!next || *next > now_) return false;
        router.RunDeadlines();
        return true;
    }
    PeerPtr NewPeer() {
        peers_.push_back(std::make_shared<Peer>());
        return peers_.back();
    }
    int last_record_ = 0;
    std::vector<PeerPtr> peers_;
    std::chrono::milliseconds now_{1000};
};

inline bool MemoryWorld::Step() {
    bool any = false;
    for (const auto& peer : std::vector<PeerPtr>(peers_)) {
        if (peer->handler_ != nullptr && peer->watched && !peer->backlog_.empty()) {
            const std::string piece = peer->backlog_.substr(0, peer->chunk);
            peer->backlog_.erase(0, piece.size());
            Fd descriptor = std::move(peer->descriptor_);
            if (descriptor && peer->may_send_fds)
                peer->handler_->OnDescriptor(std::move(descriptor));
            peer->handler_->OnData(piece);
            any = true;
        } else if (peer->handler_ != nullptr && peer->watched && peer->ended_ && !peer->told_end_) {
            peer->told_end_ = true;
            peer->handler_->OnEnd({});
            any = true;
        }
        if (peer->handler_ != nullptr && !peer->watched && peer->ended_ &&
            !std::exchange(peer->told_hangup_, true)) {
            peer->handler_->OnHangup();
            any = true;
        }
        if (peer->reads && !peer->unread.empty()) {
            peer->received += std::exchange(peer->unread, {});
            if (peer->handler_ != nullptr) peer->handler_->OnDrained();
            any = true;
        }
    }
    return any;
}

}  // namespace cc::proxy

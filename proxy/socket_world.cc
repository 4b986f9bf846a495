// SPDX-License-Identifier: Apache-2.0
#include "proxy/socket_world.h"

#include <cerrno>

#include <sys/socket.h>

#include "base/log.h"
#include "base/process.h"
#include "base/uv/channel.h"
#include "protocol/client_messages.h"

namespace cc::proxy {

namespace {

class SocketPeerProcess final : public PeerProcess {
  public:
    SocketPeerProcess(uv::Loop& loop, pid_t pid, uint64_t start_time)
        : pid_(pid),
          start_time_(start_time),
          end_(loop, [this](int) { Ended(); }),
          soon_(loop, [this] { Ended(); }) {}

    pid_t pid() const override { return pid_; }
    void Watch(std::function<void()> ended) override {
        ended_ = std::move(ended);
        auto found = Process::Find(pid_, start_time_);
        if (!found && (found.error().code == ESRCH || found.error().code == ENOENT))
            return soon_.Start(std::chrono::milliseconds(0));
        if (!found) return Log(LogLevel::kWarn, found.error().message);
        process_ = std::move(*found);
        if (end_.Open(process_.pidfd())) end_.Start(UV_READABLE);
    }

  private:
    void Ended() {
        end_.Stop();
        // The call may destroy this object.
        const auto ended = std::exchange(ended_, nullptr);
        if (ended) ended();
    }

    const pid_t pid_;
    const uint64_t start_time_;
    std::function<void()> ended_;
    Process process_;  // before the poll, which must be closed first
    uv::Poll end_;
    uv::Timer soon_;
};

class SocketStream final : public Stream {
  public:
    Result<void> Open(uv::Loop& loop, Fd fd) {
        loop_ = &loop;
        ucred peer{};
        socklen_t size = sizeof peer;
        if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) pid_ = peer.pid;
        // Each call may destroy this object: nothing is touched after it.
        uv::Channel::Callbacks callbacks;
        callbacks.on_data = [this](std::string_view bytes) {
            if (handler_ != nullptr) handler_->OnData(bytes);
        };
        callbacks.on_end = [this](const Result<void>& how) {
            if (handler_ != nullptr) handler_->OnEnd(how);
        };
        callbacks.on_drained = [this] {
            if (handler_ != nullptr) handler_->OnDrained();
        };
        callbacks.on_hangup = [this] {
            if (handler_ != nullptr) handler_->OnHangup();
        };
        CC_ASSIGN(channel_, uv::Channel::Open(loop, std::move(fd), std::move(callbacks)));
        return {};
    }

    void SetHandler(StreamHandler* handler) override { handler_ = handler; }
    void Write(std::string_view bytes) override { channel_->Write(bytes); }
    size_t queued() const override { return channel_->queued(); }
    void SetReading(bool on) override {
        if (on)
            channel_->ResumeReading();
        else
            channel_->PauseReading();
    }
    std::unique_ptr<PeerProcess> peer_process() override {
        if (pid_ <= 0) return nullptr;
        const auto start_time = StartTimeOf(pid_);
        if (!start_time) return nullptr;
        return std::make_unique<SocketPeerProcess>(*loop_, pid_, *start_time);
    }

  private:
    StreamHandler* handler_ = nullptr;
    uv::Loop* loop_ = nullptr;
    pid_t pid_ = 0;
    std::unique_ptr<uv::Channel> channel_;
};

}  // namespace

Result<std::unique_ptr<Stream>> MakeSocketStream(uv::Loop& loop, Fd fd) {
    auto stream = std::make_unique<SocketStream>();
    CC_TRY(stream->Open(loop, std::move(fd)));
    return stream;
}

Result<std::unique_ptr<Stream>> SocketWorld::Connect(const std::string& path) {
    // Non-blocking: a listener with a full backlog is EAGAIN instead of a wait without end.
    CC_ASSIGN(Fd fd, ConnectUnix(path, SOCK_STREAM | SOCK_NONBLOCK));
    return MakeSocketStream(loop_, std::move(fd));
}

std::chrono::milliseconds SocketWorld::Now() {
    using std::chrono::steady_clock;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        steady_clock::now().time_since_epoch());
}

Result<std::string> SocketWorld::NewToken() {
    return MakeToken();
}

}  // namespace cc::proxy

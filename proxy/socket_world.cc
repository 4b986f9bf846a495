// SPDX-License-Identifier: Apache-2.0
#include "proxy/socket_world.h"

#include <cerrno>

#include <sys/socket.h>

#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "base/uv/channel.h"
#include "protocol/client_messages.h"
#include "protocol/vm_config.h"
#include "proxy/ancillary.h"

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

pid_t PeerOf(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

class SocketStream : public Stream {
  public:
    Result<void> Open(uv::Loop& loop, Fd fd) {
        loop_ = &loop;
        // Each call may destroy this object: nothing is touched after it.
        uv::Channel::Callbacks callbacks;
        callbacks.on_data = [this](std::string_view bytes) {
            if (handler_ != nullptr && beside_.descriptor)
                handler_->OnDescriptor(std::move(beside_.descriptor));
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
        Prepare(fd.get(), callbacks);
        CC_ASSIGN(channel_, uv::Channel::Open(loop, std::move(fd), std::move(callbacks)));
        return {};
    }

    void SetHandler(StreamHandler* handler) override { handler_ = handler; }
    void Write(std::span<const iovec> slices) override { channel_->Write(slices); }
    size_t queued() const override { return channel_->queued(); }
    void SetReading(bool on) override {
        if (on)
            channel_->ResumeReading();
        else
            channel_->PauseReading();
    }
    void IgnoreDescriptors() override { asks_beside_ = false; }
    std::unique_ptr<PeerProcess> peer_process() override {
        if (pid_ <= 0) return nullptr;
        const auto start_time = StartTimeOf(pid_);
        if (!start_time) return nullptr;
        return std::make_unique<SocketPeerProcess>(*loop_, pid_, *start_time);
    }

  protected:
    virtual void Prepare(int socket, uv::Channel::Callbacks&) { pid_ = PeerOf(socket); }

    pid_t pid_ = 0;
    bool asks_beside_ = true;  // for what comes beside the bytes
    Ancillary beside_;

  private:
    StreamHandler* handler_ = nullptr;
    uv::Loop* loop_ = nullptr;
    std::unique_ptr<uv::Channel> channel_;
};

// Of a client, which may send a descriptor until it is a shim.
class ClientStream final : public SocketStream {
    void Prepare(int socket, uv::Channel::Callbacks& callbacks) override {
        pid_ = PeerOf(socket);
        callbacks.receive = [this](int fd, std::span<char> buffer) {
            return asks_beside_ ? ReceiveAncillary(fd, buffer, beside_)
                                : ::read(fd, buffer.data(), buffer.size());
        };
    }
};

// One that a client has passed. The client may still hold the same open socket and make it block:
// each call says that it must not. And the kernel's word on who is at the other end would be who
// made the pair: it is asked who sends the first bytes.
class PassedStream final : public SocketStream {
    void Prepare(int socket, uv::Channel::Callbacks& callbacks) override {
        AskSender(socket, true);
        callbacks.receive = [this](int fd, std::span<char> buffer) {
            if (!asks_beside_) return ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
            const ssize_t count = ReceiveAncillary(fd, buffer, beside_);
            beside_.descriptor.Reset();
            pid_ = beside_.sender;
            asks_beside_ = count < 0;
            if (!asks_beside_) AskSender(fd, false);
            return count;
        };
        callbacks.transmit = [](int fd, std::span<const iovec> slices) {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(slices.data());
            message.msg_iovlen = slices.size();
            return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        };
    }
    static void AskSender(int socket, int on) {
        (void)::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    }
};

template <class Kind>
Result<std::unique_ptr<Stream>> MakeStream(uv::Loop& loop, Fd fd) {
    auto stream = std::make_unique<Kind>();
    CC_TRY(stream->Open(loop, std::move(fd)));
    return stream;
}

}  // namespace

Result<std::unique_ptr<Stream>> MakeClientStream(uv::Loop& loop, Fd fd) {
    return MakeStream<ClientStream>(loop, std::move(fd));
}

Result<std::unique_ptr<Stream>> SocketWorld::Connect(const std::string& path) {
    // Non-blocking: a listener with a full backlog is EAGAIN instead of a wait without end.
    CC_ASSIGN(Fd fd, ConnectUnix(path, SOCK_STREAM | SOCK_NONBLOCK));
    return MakeStream<SocketStream>(loop_, std::move(fd));
}

Result<std::unique_ptr<Stream>> SocketWorld::TakeConnection(Fd descriptor) {
    CC_TRY(CheckUnixConnection(descriptor.get()));
    return MakeStream<PassedStream>(loop_, std::move(descriptor));
}

bool SocketWorld::VmPaused(const std::string& ctl_socket) {
    const std::string directory = ctl_socket.substr(0, ctl_socket.rfind('/') + 1);
    return ::access(Cat(directory, kPausedFileName).c_str(), F_OK) == 0;
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

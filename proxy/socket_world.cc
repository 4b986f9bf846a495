// SPDX-License-Identifier: Apache-2.0
#include "proxy/socket_world.h"

#include <sys/socket.h>

#include "base/uv/channel.h"
#include "protocol/client_messages.h"

namespace cc::proxy {

namespace {

class SocketStream final : public Stream {
  public:
    Result<void> Open(uv::Loop& loop, Fd fd) {
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
    void Write(std::string bytes) override { channel_->Write(std::move(bytes)); }
    size_t queued() const override { return channel_->queued(); }
    void SetReading(bool on) override {
        if (on)
            channel_->ResumeReading();
        else
            channel_->PauseReading();
    }

  private:
    StreamHandler* handler_ = nullptr;
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

// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_link.h"

#include <sys/socket.h>

#include "base/text.h"
#include "protocol/client_messages.h"

namespace cc::shim {

namespace {
constexpr std::chrono::milliseconds kRetryPause{100};      // 3.0's
constexpr std::chrono::seconds kIntroductionDeadline{30};  // for the first answer of a proxy
// How 3.0's proxy and ours word it that a token is not theirs (reference A5).
constexpr std::string_view kUnknownToken = "unknown token";
}  // namespace

ProxyLink::ProxyLink(uv::Loop& loop, LinkOptions options, Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      retry_(loop, [this] { Retry(); }) {}

Result<void> ProxyLink::Start() {
    CC_TRY(Context("connecting to cc-proxy", Connect()));
    retry_.Start(kIntroductionDeadline);
    return {};
}

Result<void> ProxyLink::Connect() {
    // Non-blocking from birth: with a full backlog this fails instead of holding up the loop.
    CC_ASSIGN(Fd fd, ConnectUnix(options_.socket, SOCK_STREAM | SOCK_NONBLOCK));
    uv::Channel::Callbacks callbacks;
    callbacks.on_data = [this](std::string_view bytes) { OnData(bytes); };
    callbacks.on_end = [this](Result<void> how) {
        OnEnd(how ? "it closed the connection" : how.error().message);
    };
    callbacks.on_drained = [this] {
        if (introduced_) callbacks_.on_drained();
    };
    CC_ASSIGN(channel_, uv::Channel::Open(loop_, std::move(fd), std::move(callbacks)));
    decoder_ = ClientFrameDecoder();
    channel_->Write(
        EncodeCommand(ClientCommand::kConnectShim, Encode(ConnectShim{options_.token})));
    return {};
}

void ProxyLink::OnData(std::string_view bytes) {
    decoder_.Push(bytes);
    while (channel_ && !lost_) {
        auto frame = decoder_.Next();
        if (!frame) return OnEnd(frame.error().message);
        if (!*frame) return;
        OnFrame(**frame);
    }
}

void ProxyLink::OnFrame(const ClientFrame& frame) {
    const bool answer = frame.type == FrameType::kResponse &&
                        frame.opcode == static_cast<uint8_t>(ClientCommand::kConnectShim);
    if (!answer) return callbacks_.on_frame(frame);
    if (frame.error) {
        const std::string why = ParseErrorText(frame.payload);
        if (why.find(kUnknownToken) == std::string::npos || !ever_)
            return Lose(Loss::kRefused, why);
        return Lose(proxy_was_away_ ? Loss::kForgotten : Loss::kVmEnded, why);
    }
    if (introduced_) return;
    introduced_ = true;
    retry_.Stop();
    const bool first = !std::exchange(ever_, true);
    proxy_was_away_ = false;
    if (paused_) channel_->PauseReading();
    callbacks_.on_connected(first);
}

void ProxyLink::OnEnd(const std::string& why) {
    channel_.reset();
    if (lost_) return;
    if (!ever_) return Lose(Loss::kRefused, why);
    const auto now = std::chrono::steady_clock::now();
    if (std::exchange(introduced_, false)) {
        give_up_ = now + options_.reconnect_timeout;
        callbacks_.on_disconnected();
    }
    if (lost_) return;
    retry_.Start(kRetryPause);
}

void ProxyLink::Retry() {
    if (introduced_) return;
    if (!ever_)
        return Lose(Loss::kRefused, Cat("no answer within ", kIntroductionDeadline.count(), " s"));
    if (std::chrono::steady_clock::now() >= give_up_)
        return Lose(Loss::kNoProxy, Cat("no cc-proxy answered on ", options_.socket, " for ",
                                        options_.reconnect_timeout.count() / 1000, " s"));
    if (!channel_ && !Connect()) {
        proxy_was_away_ = true;
        channel_.reset();
    }
    // Also the deadline of a connection that was made but is not answered.
    retry_.Start(kRetryPause);
}

void ProxyLink::Lose(Loss loss, const std::string& why) {
    lost_ = true;
    introduced_ = false;
    retry_.Stop();
    callbacks_.on_lost(loss, why);
}

void ProxyLink::Send(std::string frame) {
    if (channel_ && introduced_) channel_->Write(std::move(frame));
}

void ProxyLink::PauseReading() {
    paused_ = true;
    if (channel_ && introduced_) channel_->PauseReading();
}

void ProxyLink::ResumeReading() {
    paused_ = false;
    if (channel_) channel_->ResumeReading();
}

}  // namespace cc::shim

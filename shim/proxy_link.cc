// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_link.h"

#include <sys/socket.h>

#include "base/text.h"
#include "client/proxy_start.h"

namespace cc::shim {

namespace {

constexpr std::chrono::seconds kIntroductionDeadline{30};  // for the first answer of a proxy
// How 3.0's proxy and ours word it in version 2 that a token is not theirs (reference A5).
constexpr std::string_view kUnknownToken = "unknown token";

ErrorAnswer ReadRefusal(std::string_view payload, uint16_t version) {
    ErrorAnswer answer = ParseError(payload, version);
    if (version == kClientVersion2 && answer.message.find(kUnknownToken) != std::string::npos)
        answer.code = ErrorCode::kUnknownToken;
    return answer;
}

}  // namespace

ProxyLink::ProxyLink(uv::Loop& loop, LinkOptions options, Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      request_(loop, options_.keeper, options_.proxy, options_.host,
               {.on_answer = [this] { retry_.Start(std::chrono::milliseconds(0)); },
                .on_vm_ended = [this] { OnVmEnded(); }}),
      retry_(loop, [this] { Retry(); }) {}

Result<void> ProxyLink::Start() {
    give_up_ = std::chrono::steady_clock::now() + kIntroductionDeadline;
    retry_.Start(kIntroductionDeadline);
    inherited_ = static_cast<bool>(options_.connection);
    if (inherited_) return Introduce(std::move(options_.connection));
    auto connected = Connect();
    if (connected) return {};
    channel_.reset();
    if (!request_.able() || !NobodyListens(connected.error()))
        return Context("connecting to cc-proxy", std::move(connected));
    last_end_ = connected.error().message;
    KeepTrying();
    request_.Send();
    return {};
}

Result<void> ProxyLink::Connect() {
    // Non-blocking from birth: with a full backlog this fails instead of holding up the loop.
    Fd fd;
    CC_TRY(options_.host.Run([&]() -> Result<void> {
        CC_ASSIGN(fd, ConnectUnix(options_.proxy.socket, SOCK_STREAM | SOCK_NONBLOCK));
        return {};
    }));
    return Introduce(std::move(fd));
}

Result<void> ProxyLink::Introduce(Fd connection) {
    uv::Channel::Callbacks callbacks;
    callbacks.on_data = [this](std::string_view bytes) { OnData(bytes); };
    callbacks.on_end = [this](Result<void> how) {
        OnEnd(how ? "it closed the connection" : how.error().message);
    };
    callbacks.on_drained = [this] {
        if (introduced_) callbacks_.on_drained();
    };
    CC_ASSIGN(channel_, uv::Channel::Open(loop_, std::move(connection), std::move(callbacks)));
    decoder_ = ClientFrameDecoder();
    heard_ = false;
    ConnectShim message{options_.token};
    callbacks_.introduce(message);
    channel_->Write(
        EncodeCommand(ClientCommand::kConnectShim, Encode(message, version_), version_));
    return {};
}

void ProxyLink::OnData(std::string_view bytes) {
    heard_ = true;
    decoder_.Push(bytes);
    while (channel_ && !lost_) {
        auto frame = decoder_.Next();
        if (!frame) return OnEnd(frame.error().message);
        if (!*frame) return;
        if ((*frame)->version != version_) return OnEnd("it answered in another version");
        OnFrame(**frame);
    }
}

void ProxyLink::OnFrame(const ClientFrame& frame) {
    const bool answer = frame.type == FrameType::kResponse &&
                        frame.opcode == static_cast<uint8_t>(ClientCommand::kConnectShim);
    // Reading is not held back before the answer is here.
    if (!answer && !introduced_ && paused_)
        return OnEnd("it sends more than is taken, and no answer");
    if (!answer) return callbacks_.on_frame(frame);
    if (frame.error) return OnRefusal(ReadRefusal(frame.payload, version_));
    if (!introduced_) OnAnswer(frame);
}

void ProxyLink::OnAnswer(const ClientFrame& frame) {
    ShimConnected connected;
    if (version_ == kClientVersion3) {
        auto parsed = ParseShimConnected(frame.payload);
        if (!parsed) return OnEnd(parsed.error().message);
        connected = *parsed;
    }
    if (options_.token.empty()) options_.token = connected.token;
    introduced_ = true;
    retrying_ = false;
    retry_.Stop();
    const bool first = !std::exchange(ever_, true);
    proxy_was_away_ = false;
    if (paused_) channel_->PauseReading();
    callbacks_.on_connected(first, connected);
}

void ProxyLink::OnRefusal(const ErrorAnswer& answer) {
    if (!ever_) return Lose(Loss::kRefused, answer.message);
    switch (answer.code) {
        case ErrorCode::kVmLost:
            return Lose(Loss::kVmEnded, answer.message);
        case ErrorCode::kUnknownToken:
            return Lose(proxy_was_away_ ? Loss::kForgotten : Loss::kVmEnded, answer.message);
        case ErrorCode::kTokenInUse:  // it has not noticed yet that our last connection ended
        case ErrorCode::kTimeout:
            return OnEnd(answer.message);
        default:
            return Lose(Loss::kRefused, answer.message);
    }
}

void ProxyLink::OnEnd(const std::string& why) {
    channel_.reset();
    if (lost_) return;
    last_end_ = why;
    // The proxy that had the other end may have died before it could answer: the next one is asked.
    const bool inherited = std::exchange(inherited_, false);
    if (!MayReturn() && !ever_) return Lose(Loss::kRefused, why);
    if (!MayReturn())
        return Lose(Loss::kNoProxy,
                    Cat("cc-proxy has gone (", why, "), and no --uri says where the next one is"));
    if (!ever_ && !inherited) {
        if (FallBack()) return;
        if (!request_.able()) return Lose(Loss::kRefused, why);
    }
    KeepTrying();
    if (std::exchange(introduced_, false)) callbacks_.on_disconnected();
}

// From a proxy that listens and closed a connection of version 3 without a word. One that is gone
// by now was not asked about version 2.
bool ProxyLink::FallBack() {
    if (version_ == kClientVersion3 && !heard_) {
        version_ = kClientVersion2;
        if (Connect()) return true;
        channel_.reset();
    }
    version_ = kClientVersion3;
    return false;
}

void ProxyLink::KeepTrying() {
    if (!std::exchange(retrying_, true))
        give_up_ = std::chrono::steady_clock::now() + options_.reconnect_timeout;
    retry_.Start(options_.retry_pause);
}

void ProxyLink::Retry() {
    if (introduced_) return;
    if (std::chrono::steady_clock::now() >= give_up_) return GiveUp();
    // Also the deadline of a connection that was made but is not answered.
    retry_.Start(options_.retry_pause);
    if (!channel_) TryAgain();
}

void ProxyLink::TryAgain() {
    const auto connected = Connect();
    if (connected) return;
    channel_.reset();
    proxy_was_away_ = true;
    if (NobodyListens(connected.error())) request_.Send();
}

void ProxyLink::GiveUp() {
    const std::string& failure = request_.failure();
    if (ever_)
        return Lose(Loss::kNoProxy, Cat("no cc-proxy answered on ", options_.proxy.socket, " for ",
                                        options_.reconnect_timeout.count() / 1000, " s",
                                        failure.empty() ? "" : "; ", failure));
    if (retrying_) return Lose(Loss::kRefused, failure.empty() ? last_end_ : failure);
    Lose(Loss::kRefused, Cat("no answer within ", kIntroductionDeadline.count(), " s"));
}

// Neither is there a proxy that could know more of it.
void ProxyLink::OnVmEnded() {
    if (!introduced_) Lose(Loss::kVmEnded, "its keeper has ended");
}

void ProxyLink::Lose(Loss loss, const std::string& why) {
    lost_ = true;
    introduced_ = false;
    retry_.Stop();
    callbacks_.on_lost(loss, why);
}

void ProxyLink::Send(std::string_view frame) {
    if (channel_ && introduced_ && !said_goodbye_) channel_->Write(frame);
}

void ProxyLink::Command(ClientCommand command, std::string_view payload) {
    Send(EncodeCommand(command, payload, version_));
}

void ProxyLink::SayGoodbye() {
    Command(ClientCommand::kDisconnectShim, "");
    said_goodbye_ = true;
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

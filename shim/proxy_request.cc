// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_request.h"

#include <sys/socket.h>

#include "protocol/vm_verbs.h"

namespace cc::shim {

namespace {
// Between two requests, when the answer is that somebody else is at it.
constexpr std::chrono::milliseconds kPause{100};
// After a proxy that said why it cannot run.
constexpr std::chrono::milliseconds kPauseAfterFailure{1000};

bool IsGone(const Error& error) {
    return error.code == ENOENT || error.code == ECONNREFUSED;
}
}  // namespace

ProxyRequest::ProxyRequest(uv::Loop& loop, std::string keeper, ProxyAddress address,
                           const HostMounts& host, Callbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      address_(std::move(address)),
      host_(host),
      callbacks_(std::move(callbacks)) {}

Result<Fd> ProxyRequest::Ask() const {
    Fd socket;
    CC_TRY(host_.Run([&]() -> Result<void> {
        CC_ASSIGN(socket, ConnectUnix(keeper_, SOCK_SEQPACKET | SOCK_NONBLOCK));
        return {};
    }));
    CC_TRY(SendWithFds(socket.get(),
                       Encode(VmRequest{.verb = VmVerb::kStartProxy, .proxy = address_}), {}));
    return socket;
}

void ProxyRequest::Send() {
    if (!able() || answer_ || std::chrono::steady_clock::now() < not_before_) return;
    auto asked = Ask();
    if (!asked && IsGone(asked.error())) return callbacks_.on_vm_ended();
    if (!asked) return Settle(asked.error().message, kPauseAfterFailure);
    socket_ = std::move(*asked);
    answer_ = std::make_unique<uv::Poll>(loop_, [this](int) { OnAnswer(); });
    if (auto watched = answer_->Open(socket_.get()); !watched)
        return Settle(watched.error().message, kPauseAfterFailure);
    answer_->Start(UV_READABLE);
}

void ProxyRequest::OnAnswer() {
    const auto packet = ReceiveWithFds(socket_.get(), kMaxVmMessage);
    if (!packet && packet.error().code == EAGAIN) return;
    auto reply = packet ? ParseVmReply(packet->bytes) : Failure(packet.error());
    // The keeper has ended meanwhile, or does not want more callers: the next request shows.
    if (!reply) return Settle(reply.error().message, kPause);
    if (!reply->error.empty())
        return Settle(reply->error, reply->killed ? kPause : kPauseAfterFailure);
    Settle("", kPause);
    callbacks_.on_answer();
}

void ProxyRequest::Settle(const std::string& failure, std::chrono::milliseconds pause) {
    answer_.reset();
    socket_.Reset();
    failure_ = failure;
    not_before_ = std::chrono::steady_clock::now() + pause;
}

}  // namespace cc::shim

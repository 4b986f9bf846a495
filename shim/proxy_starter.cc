// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_starter.h"

namespace cc::shim {

namespace {
// After a proxy that said why it cannot run.
constexpr std::chrono::seconds kPauseAfterFailure{1};
}  // namespace

ProxyStarter::ProxyStarter(uv::Loop& loop, ProxyAddress address, const HostMounts& host,
                           std::function<void()> on_up)
    : loop_(loop), address_(std::move(address)), host_(host), on_up_(std::move(on_up)) {}

Result<std::optional<ProxyStart>> ProxyStarter::Begin() const {
    std::optional<ProxyStart> begun;
    CC_TRY(host_.Run([&]() -> Result<void> {
        CC_ASSIGN(auto start, ProxyStart::Begin(address_, std::chrono::milliseconds(0)));
        if (start) begun.emplace(std::move(*start));
        return {};
    }));
    return begun;
}

void ProxyStarter::Start() {
    if (!able() || start_ || std::chrono::steady_clock::now() < not_before_) return;
    auto begun = Begin();
    if (!begun && begun.error().code == ETIMEDOUT) return;  // somebody else is at it
    if (!begun) return Fail(begun.error());
    if (!*begun) return on_up_();
    start_.emplace(std::move(**begun));
    if (auto watched = Watch(); !watched) Fail(watched.error());
}

Result<void> ProxyStarter::Watch() {
    word_ = std::make_unique<uv::Poll>(loop_, [this](int) { OnWord(); });
    CC_TRY(word_->Open(start_->ready_fd()));
    word_->Start(UV_READABLE);
    return {};
}

void ProxyStarter::OnWord() {
    const auto up = start_->Listens();
    if (up && !*up) return;
    if (!up) return Fail(up.error());
    word_.reset();
    children_.push_back(start_->TakeProcess());
    start_.reset();
    failure_.clear();
    on_up_();
}

void ProxyStarter::Fail(const Error& error) {
    word_.reset();
    start_.reset();
    child_ended_ = true;
    failure_ = error.message;
    // One that was killed before it had a chance may be followed at once.
    if (error.code != ECONNRESET)
        not_before_ = std::chrono::steady_clock::now() + kPauseAfterFailure;
}

bool ProxyStarter::TakeChildsEnd() {
    const size_t ended = std::erase_if(children_, [](const Process& child) {
        if (!child.WaitEnd(std::chrono::milliseconds(0)).value_or(true)) return false;
        (void)child.Reap();
        return true;
    });
    return std::exchange(child_ended_, false) || ended > 0;
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "client/proxy_starter.h"

#include "base/log.h"

namespace cc {

void ProxyStarter::Start(const ProxyAddress& address, Done done) {
    waiting_.push_back(std::move(done));
    if (start_) return;
    auto begun = ProxyStart::Begin(address, std::chrono::milliseconds(0));
    if (!begun && begun.error().code == ETIMEDOUT) return Finish({});  // somebody else is at it
    if (!begun) return Finish(Failure(begun.error()));
    if (!*begun) return Finish({});
    start_.emplace(std::move(**begun));
    if (auto watched = Watch(); !watched) Finish(watched);
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
    if (!up) return Finish(Failure(up.error()));
    Keep(start_->TakeProcess());
    Finish({});
}

void ProxyStarter::Finish(const Result<void>& how) {
    word_.reset();
    start_.reset();
    for (const auto& done : std::exchange(waiting_, {}))
        done(how);
}

void ProxyStarter::Keep(Process process) {
    const auto child = children_.insert(children_.end(), {std::move(process), nullptr});
    child->end = std::make_unique<uv::Poll>(loop_, [this, child](int) { OnChildEnd(child); });
    if (auto opened = child->end->Open(child->process.pidfd()); !opened)
        return Log(LogLevel::kWarn, "the end of cc-proxy will not be noticed",
                   {{"why", opened.error().message}});
    child->end->Start(UV_READABLE);
}

void ProxyStarter::OnChildEnd(std::list<Child>::iterator child) {
    child->end.reset();  // before what it watches
    (void)child->process.Reap();
    children_.erase(child);
}

}  // namespace cc

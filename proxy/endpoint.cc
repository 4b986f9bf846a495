// SPDX-License-Identifier: Apache-2.0
#include "proxy/endpoint.h"

#include "proxy/router.h"

namespace cc::proxy {

Endpoint::~Endpoint() {
    router_.Forget(*this);
}

void Endpoint::Open(std::unique_ptr<Stream> stream) {
    stream_ = std::move(stream);
    stream_->SetHandler(this);
}

void Endpoint::Send(std::string_view bytes) {
    if (!bytes.empty() && BeginSending()) out_.own().append(bytes);
}

bool Endpoint::BeginSending() {
    if (!stream_) return false;
    if (out_.empty()) {
        out_.own() = router_.TakeSpare();
        router_.WillFlush(*this);
    }
    return true;
}

void Endpoint::SetReading(bool on) {
    if (reading_ == on || !stream_) return;
    reading_ = on;
    stream_->SetReading(on);
}

void Endpoint::Shut() {
    if (!stream_) return;
    out_ = {};
    stream_->SetHandler(nullptr);
    router_.Bury(std::move(stream_));  // it may be one of the callers
}

void Endpoint::Flush() {
    if (!stream_ || out_.empty()) return;
    Outgoing out = std::exchange(out_, {});
    stream_->Write(out.Slices());
    router_.GiveSpare(std::move(out.own()));
    if (stream_) Written();
}

std::string_view Endpoint::lent() const {
    return router_.lent();
}

void Endpoint::OnData(std::string_view bytes) {
    const Router::Turn turn(router_, bytes);
    if (stream_) Data(bytes);
}

void Endpoint::OnEnd(const Result<void>& how) {
    const Router::Turn turn(router_);
    router_.WillEnd(*this, how);
}

void Endpoint::OnHangup() {
    const Router::Turn turn(router_);
    if (stream_) HungUp();
}

void Endpoint::OnDrained() {
    const Router::Turn turn(router_);
    if (stream_) Written();
}

}  // namespace cc::proxy

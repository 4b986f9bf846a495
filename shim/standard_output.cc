// SPDX-License-Identifier: Apache-2.0
#include "shim/standard_output.h"

#include "protocol/window.h"

namespace cc::shim {

Result<std::unique_ptr<StandardOutput>> StandardOutput::Open(uv::Loop& loop, int fd,
                                                             StreamKind kind, ProxyLink& link,
                                                             Output::Callbacks callbacks) {
    auto stream = std::unique_ptr<StandardOutput>(new StandardOutput(loop, kind, link));
    callbacks.on_progress = [stream = stream.get(), told = std::move(callbacks.on_progress)] {
        stream->Acknowledge();
        told();
    };
    CC_ASSIGN(stream->output_, Output::Open(loop, fd, std::move(callbacks)));
    return stream;
}

StandardOutput::StandardOutput(uv::Loop& loop, StreamKind kind, ProxyLink& link)
    : kind_(kind), link_(link), rest_(loop, [this] { AcknowledgeRest(); }) {}

void StandardOutput::Take(const ClientFrame& frame) {
    if (frame.version != kClientVersion3) return output_->Write(frame.payload);
    output_->Write(window_.Accept(frame.offset, frame.payload, frame.end));
    Acknowledge();
}

// Without a connection nothing is lost: the next one begins with it.
void StandardOutput::Acknowledge() {
    if (link_.version() != kClientVersion3 || !link_.connected()) return;
    if (const auto window = window_.News(backlog()))
        Say(*window);
    else if (window_.Owes(backlog()) && !rest_.active())
        rest_.Start(kAcknowledgeWithin);
}

void StandardOutput::AcknowledgeRest() {
    if (!link_.connected()) return;
    if (const auto window = window_.LateNews(backlog())) Say(*window);
}

void StandardOutput::Say(const StreamWindow& window) {
    link_.Send(EncodeNotification(Notification::kWindow, Encode(WindowUpdate{kind_, window})));
}

}  // namespace cc::shim

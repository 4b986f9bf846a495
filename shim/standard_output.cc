// SPDX-License-Identifier: Apache-2.0
#include "shim/standard_output.h"

namespace cc::shim {

Result<std::unique_ptr<StandardOutput>> StandardOutput::Open(uv::Loop& loop, int fd,
                                                             StreamKind kind, ProxyLink& link,
                                                             Output::Callbacks callbacks) {
    auto stream = std::unique_ptr<StandardOutput>(new StandardOutput(loop, kind, link));
    callbacks.on_progress = [stream = stream.get(), told = std::move(callbacks.on_progress)] {
        stream->AcknowledgeSoon();
        told();
    };
    CC_ASSIGN(stream->output_, Output::Open(loop, fd, std::move(callbacks)));
    return stream;
}

StandardOutput::StandardOutput(uv::Loop& loop, StreamKind kind, ProxyLink& link)
    : kind_(kind), link_(link), acknowledge_(loop, [this] { Acknowledge(); }) {}

void StandardOutput::Take(const ClientFrame& frame) {
    if (frame.version != kClientVersion3) return output_->Write(frame.payload);
    output_->Write(window_.Accept(frame.offset, frame.payload));
    AcknowledgeSoon();
}

void StandardOutput::AcknowledgeSoon() {
    if (link_.version() == kClientVersion3 && !acknowledge_.active())
        acknowledge_.Start(std::chrono::milliseconds(0));
}

void StandardOutput::Acknowledge() {
    if (!link_.connected()) return;  // the next connection begins with it
    if (const auto window = window_.News(backlog()))
        link_.Send(EncodeNotification(Notification::kWindow, Encode(WindowUpdate{kind_, *window})));
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "shim/standard_input.h"

namespace cc::shim {

namespace {
// Above that many bytes on their way to the proxy nothing more is read.
constexpr size_t kQueueHigh = 256 * 1024;
// Of one frame, when input is sent again.
constexpr size_t kPiece = 32 * 1024;
}  // namespace

Result<std::unique_ptr<StandardInput>> StandardInput::Open(uv::Loop& loop, int fd, ProxyLink& link,
                                                           std::function<bool()> may_read) {
    auto stream = std::unique_ptr<StandardInput>(new StandardInput(link, std::move(may_read)));
    auto* self = stream.get();
    CC_ASSIGN(stream->input_,
              Input::Open(loop, fd,
                          {.room = [self] { return self->may_read_() ? self->Room() : 0; },
                           .on_data = [self](std::string_view bytes) { self->OnData(bytes); },
                           .on_end = [self] { self->OnEnd(); }}));
    return stream;
}

size_t StandardInput::Room() const {
    if (!link_.connected() || link_.queued() >= kQueueHigh) return 0;
    return link_.version() == kClientVersion3 ? window_.room() : kStdinChunk;
}

void StandardInput::OnData(std::string_view bytes) {
    if (link_.version() != kClientVersion3)
        return link_.Send(EncodeStream(StreamKind::kStdin, bytes));
    window_.Add(bytes);
    Send();
}

void StandardInput::OnEnd() {
    ended_ = true;
    window_.End();
    Send();
}

void StandardInput::Send() {
    if (!link_.connected()) return;
    if (link_.version() == kClientVersion3) {
        while (link_.connected() && link_.queued() < kQueueHigh) {
            const auto piece = window_.Next(kPiece);
            if (!piece) return;
            link_.Send(EncodeStreamAt(StreamKind::kStdin, piece->offset, piece->bytes, piece->end));
        }
    } else if (ended_ && !std::exchange(end_sent_, true)) {
        link_.Send(EncodeStream(StreamKind::kStdin, ""));
    }
}

void StandardInput::Update(bool wanted) {
    Send();
    if (wanted && Room() > 0)
        input_->Resume();
    else
        input_->Pause();
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "shim/input_window.h"

#include <algorithm>

namespace cc::shim {

void InputWindow::Resume(const StreamWindow& window) {
    Acknowledge(window.offset);
    sent_ = acknowledged_;
    limit_ = window.limit;
    end_sent_ = false;
}

void InputWindow::Move(const StreamWindow& window) {
    Acknowledge(window.offset);
    sent_ = std::max(sent_, acknowledged_);
    limit_ = std::max(limit_, window.limit);
}

// Whatever a proxy claims to have, nothing is forgotten that was not there to be sent.
void InputWindow::Acknowledge(uint64_t offset) {
    const uint64_t reached = std::min(offset, read());
    if (reached <= acknowledged_) return;
    kept_.Consume(reached - acknowledged_);
    acknowledged_ = reached;
}

std::optional<InputWindow::Piece> InputWindow::Next(size_t most) {
    const uint64_t sendable = std::min(read(), limit_);
    const uint64_t offset = sent_;
    const uint64_t size = sendable > offset ? std::min<uint64_t>(sendable - offset, most) : 0;
    // A process that does not run yet (limit 0) has no input that could end.
    const bool end = ended_ && !end_sent_ && limit_ > 0 && offset + size == read();
    if (size == 0 && !end) return std::nullopt;
    sent_ += size;
    end_sent_ = end_sent_ || end;
    return Piece{offset, kept_.view().substr(offset - acknowledged_, size), end};
}

}  // namespace cc::shim

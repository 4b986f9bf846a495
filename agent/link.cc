// SPDX-License-Identifier: Apache-2.0
#include "agent/link.h"

#include <utility>

namespace cc::agent {

void Link::Agree(std::string marker) {
    marker_ = std::move(marker);
    decoder_ = LinkDecoder(marker_);
    epoch_ = 0;
    open_ = false;
}

void Link::Close() {
    decoder_.Clear();
    open_ = false;
}

std::optional<LinkFrame> Link::Next() {
    while (auto frame = decoder_.Next()) {
        if (frame->type == LinkType::kHello && frame->epoch >= epoch_) {
            epoch_ = frame->epoch;
            open_ = true;
            return frame;
        }
        if (open_ && frame->type != LinkType::kHello && frame->epoch == epoch_) return frame;
    }
    return std::nullopt;
}

std::string Link::Encode(LinkFrame frame) const {
    frame.epoch = epoch_;
    return cc::Encode(frame, marker_);
}

}  // namespace cc::agent

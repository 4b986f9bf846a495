// SPDX-License-Identifier: Apache-2.0
#include "agent/received_input.h"

#include <algorithm>

namespace cc::agent {

ReceivedInput::Fresh ReceivedInput::Take(uint64_t offset, std::string_view bytes, bool end) {
    if (ended_ || offset > received_ || received_ - offset > bytes.size()) return {};
    bytes.remove_prefix(static_cast<size_t>(received_ - offset));
    const auto allowed = static_cast<size_t>(limit_ - std::min(limit_, received_));
    Fresh fresh{bytes.substr(0, allowed), end && bytes.size() <= allowed};
    received_ += fresh.bytes.size();
    ended_ = fresh.end;
    return fresh;
}

std::optional<InputWindow> ReceivedInput::Update(size_t waiting) {
    if (received_ - waiting - told_ < kAcknowledgeAfter) return std::nullopt;
    return Grant(waiting);
}

InputWindow ReceivedInput::Grant(size_t waiting) {
    told_ = received_ - waiting;
    limit_ = told_ + kStreamWindow;
    return {told_, limit_};
}

}  // namespace cc::agent

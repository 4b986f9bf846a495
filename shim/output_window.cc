// SPDX-License-Identifier: Apache-2.0
#include "shim/output_window.h"

#include <algorithm>

namespace cc::shim {

std::string_view OutputWindow::Accept(uint64_t offset, std::string_view bytes, bool end) {
    if (offset > received_ || received_ - offset > bytes.size()) return {};
    bytes.remove_prefix(static_cast<size_t>(received_ - offset));
    received_ += bytes.size();
    ended_ = ended_ || end;
    return bytes;
}

StreamWindow OutputWindow::Resume(uint64_t backlog) {
    return Tell(Written(backlog));
}

std::optional<StreamWindow> OutputWindow::News(uint64_t backlog) {
    const uint64_t written = Written(backlog);
    const bool complete = ended_ && written == received_;
    if (written == told_ || (!complete && written - told_ < kAcknowledgeAfter)) return std::nullopt;
    return Tell(written);
}

std::optional<StreamWindow> OutputWindow::LateNews(uint64_t backlog) {
    if (!Owes(backlog)) return std::nullopt;
    return Tell(Written(backlog));
}

StreamWindow OutputWindow::Tell(uint64_t written) {
    told_ = written;
    return {written, written + kStreamWindow};
}

// A word of the shim's own in the backlog makes this too low for a while, but never lower than it
// was.
uint64_t OutputWindow::Written(uint64_t backlog) const {
    return std::max(told_, received_ - std::min(received_, backlog));
}

}  // namespace cc::shim

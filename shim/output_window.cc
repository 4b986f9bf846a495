// SPDX-License-Identifier: Apache-2.0
#include "shim/output_window.h"

#include <algorithm>

namespace cc::shim {

std::string_view OutputWindow::Accept(uint64_t offset, std::string_view bytes) {
    if (offset > received_) return {};
    const uint64_t known = received_ - offset;
    if (known >= bytes.size()) return {};
    bytes.remove_prefix(known);
    received_ += bytes.size();
    return bytes;
}

StreamWindow OutputWindow::Resume(uint64_t backlog) {
    return Tell(Written(backlog));
}

std::optional<StreamWindow> OutputWindow::News(uint64_t backlog) {
    const uint64_t written = Written(backlog);
    const uint64_t fresh = written - told_;
    if (fresh == 0 || (backlog > 0 && fresh < kAcknowledgeAfter)) return std::nullopt;
    return Tell(written);
}

StreamWindow OutputWindow::Tell(uint64_t written) {
    told_ = written;
    return {written, written + kOutputWindow};
}

// A word of the shim's own in the backlog makes this too low for a while, but never lower than it
// was.
uint64_t OutputWindow::Written(uint64_t backlog) const {
    return std::max(told_, received_ - std::min(received_, backlog));
}

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#include "vmm/lines.h"

#include <utility>

namespace cc {

void Lines::Append(std::string_view bytes) {
    for (const char c : bytes) {
        if (c == '\n' || line_.size() == kMaxLine) Emit();
        if (c != '\n' && c != '\r') line_ += c;
    }
}

void Lines::End() {
    Emit();
}

void Lines::Emit() {
    if (line_.empty()) return;
    const std::string line = std::exchange(line_, {});
    last_.push_back(line);
    if (last_.size() > kRemembered) last_.pop_front();
    if (on_line_) on_line_(line);
}

}  // namespace cc

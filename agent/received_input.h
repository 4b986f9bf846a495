// SPDX-License-Identifier: Apache-2.0
// The place of a process's input in extension 2: how far it has been received, how far the process
// has taken it, and how far the host may send.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/window.h"

namespace cc::agent {

struct InputWindow {
    uint64_t taken = 0;
    uint64_t limit = 0;
};

class ReceivedInput {
  public:
    struct Fresh {
        std::string_view bytes;
        bool end = false;
    };
    // What is new of these bytes: nothing of what was here before or would leave a gap, nor what
    // lies beyond the limit. The end counts once, and only right after everything before it.
    Fresh Take(uint64_t offset, std::string_view bytes, bool end);

    // `waiting`: bytes received that the process has not taken. The window to tell, when it has
    // moved far enough to be worth a message at once.
    std::optional<InputWindow> Update(size_t waiting);
    // It has moved beyond what was told.
    bool Owes(size_t waiting) const { return received_ - waiting > told_; }
    // The window to tell in any case.
    InputWindow Grant(size_t waiting);
    uint64_t received() const { return received_; }

  private:
    uint64_t received_ = 0;
    uint64_t told_ = 0;   // taken, as told last
    uint64_t limit_ = 0;  // likewise
    bool ended_ = false;
};

}  // namespace cc::agent

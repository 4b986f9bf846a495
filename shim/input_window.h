// SPDX-License-Identifier: Apache-2.0
// The process's input on its way (protocol version 3): what was read from standard input and is not
// acknowledged yet is kept, to be sent again on another connection. The window that the proxy
// grants bounds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/client_messages.h"
#include "protocol/frame_buffer.h"

namespace cc::shim {

class InputWindow {
  public:
    // A new connection: the proxy has what is before the offset, the rest is sent again. The limit
    // is this proxy's, whatever the last one said.
    void Resume(const StreamWindow& window);
    void Move(const StreamWindow& window);

    uint64_t room() const { return limit_ > read() ? limit_ - read() : 0; }
    void Add(std::string_view bytes) { kept_.Push(bytes); }  // within the room
    void End() { ended_ = true; }

    struct Piece {
        uint64_t offset;
        std::string_view bytes;  // valid until something is added or acknowledged
        bool end;
    };
    // What is to be sent next, counted as sent; nothing when all was or the window is closed.
    std::optional<Piece> Next(size_t most);

  private:
    uint64_t read() const { return acknowledged_ + kept_.size(); }
    void Acknowledge(uint64_t offset);

    FrameBuffer kept_;
    uint64_t acknowledged_ = 0;  // offset of the first byte that is kept
    uint64_t sent_ = 0;
    uint64_t limit_ = 0;
    bool ended_ = false;
    bool end_sent_ = false;  // on this connection
};

}  // namespace cc::shim

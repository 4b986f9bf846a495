// SPDX-License-Identifier: Apache-2.0
// One port's side of extension 2 (docs/protocol.md): the marker that was agreed, the epoch, and
// whether the host side that is there has said Hello.
//
// Agreed and open are two things. A connection that has just come may be a 3.0 proxy's, a proxy's
// that starts over, or an adopting one's, which says Hello: until then nothing goes out in frames,
// and what comes in them is dropped. A Hello may come in the middle of a connection, too, because
// a fast reconnect hides the hang-up.
#pragma once

#include <optional>
#include <string>

#include "protocol/link_frame.h"

namespace cc::agent {

class Link {
  public:
    bool agreed() const { return !marker_.empty(); }
    bool open() const { return open_; }
    const std::string& marker() const { return marker_; }

    // The first Hello is to come, of any epoch. An empty marker: back to 3.0's messages.
    void Agree(std::string marker);
    void Close();  // another connection: what its host side is shows in a Hello

    // From the host, when agreed.
    void Push(std::string_view bytes) { decoder_.Push(bytes); }
    // A Hello, with which an epoch begins, or a frame of the epoch that has begun; nothing when
    // more bytes are needed. What a dead proxy has left is dropped here.
    std::optional<LinkFrame> Next();
    // A frame has begun that is not here whole.
    bool AtFrame() const { return decoder_.AtFrame(); }
    // In the epoch that has begun; the frame's own is not looked at.
    std::string Encode(LinkFrame frame) const;

  private:
    std::string marker_;
    LinkDecoder decoder_;
    uint32_t epoch_ = 0;
    bool open_ = false;
};

}  // namespace cc::agent

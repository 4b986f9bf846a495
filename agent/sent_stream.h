// SPDX-License-Identifier: Apache-2.0
// One stream of output in extension 2: its bytes from the first that the host has not acknowledged
// on, and how far they have been sent. Offsets count the stream's bytes from its beginning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/agent_frame.h"
#include "protocol/link_frame.h"

namespace cc::agent {

class SentStream {
  public:
    static constexpr size_t kMaxKept = 256 * 1024;
    // Of one frame, so that it fits into one buffer of the port.
    static constexpr size_t kMaxPiece = kAgentIoChunk - kLinkHeaderSize;

    size_t room() const { return kMaxKept - kept_; }
    void Append(std::string_view bytes);  // at most room()
    void End() { ended_ = true; }         // nothing is appended from now on

    // A new epoch: nothing is sent before the host has said where to go on.
    void Hold() { held_ = true; }
    // The host has everything before `acknowledged` and takes what lies before `limit`. With
    // `rewind` sending goes on at `acknowledged`, whatever was sent before.
    void OnWindow(uint64_t acknowledged, uint64_t limit, bool rewind);

    struct Piece {
        uint64_t offset = 0;
        std::string_view bytes;  // valid until the stream is touched again
        bool end = false;        // nothing comes after it
    };
    // What to send next, which counts as sent from then on; nothing when nothing may be sent.
    std::optional<Piece> Next();

    uint64_t acknowledged() const { return acknowledged_; }
    // The host has everything and has been told that there is no more.
    bool Delivered() const { return ended_ && !held_ && end_sent_ && kept_ == 0; }

  private:
    void Acknowledge(uint64_t offset);
    std::string_view ChunkAt(uint64_t offset) const;
    uint64_t end() const { return acknowledged_ + kept_; }

    // All but the last are full; the first may be acknowledged in part.
    std::vector<std::string> chunks_;
    uint64_t first_ = 0;  // offset of the first chunk's first byte
    uint64_t acknowledged_ = 0;
    size_t kept_ = 0;
    uint64_t sent_ = 0;  // offset of the next byte to send
    uint64_t limit_ = 0;
    bool held_ = true;
    bool ended_ = false;
    bool end_sent_ = false;
};

}  // namespace cc::agent

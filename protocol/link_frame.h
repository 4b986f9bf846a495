// SPDX-License-Identifier: Apache-2.0
// The framing of both agent ports once our extension 2 is agreed: made for a channel that loses
// bytes. When the host side of a virtio-serial port goes away QEMU throws queued guest output away,
// and host-to-guest bytes that the guest has not read vanish; a fast reconnect may hide all that.
//
//   byte  0        16     20    21     22    24      28      36      44          48
//        +--------+------+-----+------+-----+-------+-------+-------+-----------+---------
//        | marker | epoch| type| flags|  0  | length| stream| offset| checksum  | payload
//        +--------+------+-----+------+-----+-------+-------+-------+-----------+---------
//
// All numbers are big endian. `marker` is 16 random bytes that the proxy chooses for the VM
// (VersionAccept): a receiver that has lost its place looks for them. `epoch` counts the proxies
// that have owned the VM; whoever sees a higher one than its own has a new peer, and what carries a
// lower one is dropped. `length` is the payload's. `checksum` is the CRC-32C of the 44 bytes before
// it and of the payload.
//
//   type      port     from      stream           offset          payload
//   kHello    both     either    0                0               none
//   kRequest  control  proxy     request id       control code    as of a plain control message
//   kReply    control  agent     request id       kAck or kError  the answer, or the error's text
//   kData     I/O      either    sequence number  of first byte   bytes of a stream
//   kWindow   I/O      receiver  sequence number  acknowledged    limit u64
//   kExit     I/O      agent     base             0               code u8, signal u8 (0: none)
//   kForget   I/O      proxy     base             0               none
//
// docs/protocol.md says what they mean and has a worked example.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/frame_buffer.h"

namespace cc {

constexpr size_t kMarkerSize = 16;
constexpr size_t kLinkHeaderSize = 48;
// Of any frame. Control payloads are kMaxControlMessage at most, those of streams kMaxLinkData.
constexpr size_t kMaxLinkPayload = 1024 * 1024;
constexpr size_t kMaxLinkData = 64 * 1024;

enum class LinkType : uint8_t {
    kHello = 1,
    kRequest = 2,
    kReply = 3,
    kData = 4,
    kWindow = 5,
    kExit = 6,
    kForget = 7,
};
// Of kData: nothing comes after this payload, which may be empty.
constexpr uint8_t kLinkEnd = 1;
// Of kWindow: send everything from the acknowledged offset on once more.
constexpr uint8_t kLinkRewind = 2;
// Of kExit: the process has ended, its output has not been delivered to the end. The final one
// follows.
constexpr uint8_t kLinkEarly = 4;
// Of kExit: while the process ran, the guest's kernel killed one of its container for want of
// memory.
constexpr uint8_t kLinkOutOfMemory = 8;

struct LinkFrame {
    uint32_t epoch = 0;
    LinkType type = LinkType::kHello;
    uint8_t flags = 0;
    uint64_t stream = 0;
    uint64_t offset = 0;
    std::string_view payload = {};  // of a decoded frame: valid until the decoder is touched again
};

// `marker` has kMarkerSize bytes, the payload at most kMaxLinkPayload.
std::string Encode(const LinkFrame& frame, std::string_view marker);
// What goes before the frame's payload.
void AppendLinkHeader(std::string& out, const LinkFrame& frame, std::string_view marker);

// Incremental, and never at a loss: whatever is no intact frame is passed over up to the next
// marker. Payloads hold no marker, which nobody can guess; one that does may be lost.
class LinkDecoder {
  public:
    explicit LinkDecoder(std::string_view marker = {}) : marker_(marker) {}
    // Bytes that are here already are looked at with the new marker. Empty: nothing is a frame.
    void SetMarker(std::string_view marker) {
        marker_ = marker;
        searched_ = 0;
    }
    void Push(std::string_view bytes) { buffer_.Push(bytes); }
    void Lend(std::string_view bytes) { buffer_.Lend(bytes); }  // see FrameBuffer
    void Keep() { buffer_.Keep(); }
    // The next intact frame; nothing when more bytes are needed.
    std::optional<LinkFrame> Next();
    // A frame has begun, whose rest is to come.
    bool AtFrame() const {
        return marker_.size() == kMarkerSize && buffer_.view().starts_with(marker_);
    }
    uint64_t skipped() const { return skipped_; }  // bytes passed over, in all
    void Clear();

  private:
    size_t FindMarker(size_t from) const;
    void Skip(size_t count);
    bool SkipTo(size_t marker);

    std::string marker_;
    FrameBuffer buffer_;
    size_t searched_ = 0;  // bytes of an incomplete frame that hold no other marker
    uint64_t skipped_ = 0;
};

}  // namespace cc

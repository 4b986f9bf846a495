// SPDX-License-Identifier: Apache-2.0
#include "bench/hub/traffic.h"

#include <algorithm>

#include "bench/hub/must.h"
#include "protocol/client_messages.h"
#include "protocol/frame_buffer.h"

namespace cc::bench {

namespace {

constexpr size_t kHeaderSize = 12;
constexpr size_t kLengthAt = 8;

}  // namespace

std::string EncodeWindow(const Link& link, uint64_t base, uint64_t taken) {
    std::string limit;
    AppendBigEndian<8>(limit, taken + kStreamWindow);
    return Encode(LinkFrame{link.epoch, LinkType::kWindow, 0, base, taken, limit}, link.marker);
}

void PayloadCounter::Push(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ == 0) {
            const size_t part = std::min(bytes.size(), kHeaderSize - header_.size());
            header_.append(bytes.substr(0, part));
            bytes.remove_prefix(part);
            if (header_.size() < kHeaderSize) return;
            left_ = LoadBigEndian<4>(header_, kLengthAt);
            if (framing_ == Framing::kAgent) left_ -= kHeaderSize;
            header_.clear();
        }
        const size_t part = std::min(bytes.size(), left_);
        left_ -= part;
        payload_ += part;
        bytes.remove_prefix(part);
    }
}

LinkSender::LinkSender(Link link, uint64_t base, size_t payload)
    : Sender(payload),
      link_(std::move(link)),
      base_(base),
      bytes_(payload, 'x'),
      decoder_(link_.marker) {}

std::string_view LinkSender::Next() {
    if (offset_ + payload() > limit_) return {};
    frame_.clear();
    AppendLinkHeader(frame_, LinkFrame{link_.epoch, LinkType::kData, 0, base_, offset_, bytes_},
                     link_.marker);
    frame_.append(bytes_);
    offset_ += payload();
    return frame_;
}

void LinkSender::Hear(std::string_view bytes) {
    decoder_.Push(bytes);
    while (const auto frame = decoder_.Next())
        if (frame->type == LinkType::kWindow && frame->stream == base_)
            limit_ = LoadBigEndian<8>(frame->payload, 0);
}

LinkReceiver::LinkReceiver(Link link, uint64_t base)
    : link_(std::move(link)), base_(base), decoder_(link_.marker) {}

void LinkReceiver::Push(std::string_view bytes) {
    decoder_.Lend(bytes);
    while (const auto frame = decoder_.Next())
        if (frame->type == LinkType::kData) payload_ += frame->payload.size();
    decoder_.Keep();
}

std::string LinkReceiver::Answer() {
    if (payload_ - told_ < kAcknowledgeAfter) return {};
    told_ = payload_;
    return EncodeWindow(link_, base_, told_);
}

ShimSender::ShimSender(size_t payload) : Sender(payload), bytes_(payload, 'x') {}

std::string_view ShimSender::Next() {
    if (offset_ + payload() > limit_) return {};
    frame_.clear();
    AppendStreamHeaderAt(frame_, StreamKind::kStdin, offset_, bytes_.size(), false);
    frame_.append(bytes_);
    offset_ += payload();
    return frame_;
}

void ShimSender::Hear(std::string_view bytes) {
    decoder_.Push(bytes);
    while (const auto frame = Must(decoder_.Next()))
        if (frame->Is(Notification::kWindow))
            limit_ = Must(ParseWindowUpdate(frame->payload)).window.limit;
}

void ShimReceiver::Push(std::string_view bytes) {
    decoder_.Lend(bytes);
    while (const auto frame = Must(decoder_.Next()))
        if (frame->Is(StreamKind::kStdout)) payload_ += frame->payload.size();
    decoder_.Keep();
}

std::string ShimReceiver::Answer() {
    if (payload_ - told_ < kAcknowledgeAfter) return {};
    told_ = payload_;
    const WindowUpdate update{StreamKind::kStdout, {told_, told_ + kStreamWindow}};
    return EncodeNotification(Notification::kWindow, Encode(update));
}

}  // namespace cc::bench

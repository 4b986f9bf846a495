// SPDX-License-Identifier: Apache-2.0
#include "protocol/link_frame.h"

#include <algorithm>
#include <cstring>

#include "protocol/crc32c.h"

namespace cc {

namespace {

constexpr size_t kEpochAt = 16, kTypeAt = 20, kFlagsAt = 21, kZeroAt = 22, kLengthAt = 24,
                 kStreamAt = 28, kOffsetAt = 36, kChecksumAt = 44;

// The numbers that a header may hold, whatever its checksum says: a length that nobody sends must
// not make the decoder wait for it.
bool IsPlausible(std::string_view header) {
    const auto type = LoadBigEndian<1>(header, kTypeAt);
    const auto limit =
        type == static_cast<uint64_t>(LinkType::kData) ? kMaxLinkData : kMaxLinkPayload;
    return type >= static_cast<uint64_t>(LinkType::kHello) &&
           type <= static_cast<uint64_t>(LinkType::kForget) &&
           LoadBigEndian<2>(header, kZeroAt) == 0 && LoadBigEndian<4>(header, kLengthAt) <= limit;
}

}  // namespace

std::string Encode(const LinkFrame& frame, std::string_view marker) {
    std::string out;
    out.reserve(kLinkHeaderSize + frame.payload.size());
    AppendLinkHeader(out, frame, marker);
    out.append(frame.payload);
    return out;
}

void AppendLinkHeader(std::string& out, const LinkFrame& frame, std::string_view marker) {
    const size_t start = out.size();
    out.append(marker);
    AppendBigEndian<4>(out, frame.epoch);
    AppendBigEndian<1>(out, static_cast<uint64_t>(frame.type));
    AppendBigEndian<1>(out, frame.flags);
    AppendBigEndian<2>(out, 0);
    AppendBigEndian<4>(out, frame.payload.size());
    AppendBigEndian<8>(out, frame.stream);
    AppendBigEndian<8>(out, frame.offset);
    AppendBigEndian<4>(out, Crc32c(frame.payload, Crc32c(std::string_view(out).substr(start))));
}

std::optional<LinkFrame> LinkDecoder::Next() {
    while (marker_.size() == kMarkerSize) {
        // Peek() leaves what comes after the frame where it lies, view() would copy it.
        const auto header = buffer_.Peek(kLinkHeaderSize);
        if (!header && buffer_.view().starts_with(marker_)) return std::nullopt;
        if (!header || !header->starts_with(marker_)) {
            if (!SkipTo(FindMarker(0))) return std::nullopt;
            continue;
        }
        if (!IsPlausible(*header)) {
            Skip(1);
            continue;
        }
        const size_t length = LoadBigEndian<4>(*header, kLengthAt);
        const auto bytes = buffer_.Peek(kLinkHeaderSize + length);
        if (!bytes) {
            // The rest of a frame that was cut never comes; then its place is taken by the next
            // connection's bytes, which begin with a marker.
            const size_t next = FindMarker(std::max<size_t>(searched_, 1));
            if (next == std::string_view::npos) {
                searched_ = buffer_.size() - (kMarkerSize - 1);
                return std::nullopt;
            }
            Skip(next);
            continue;
        }
        const std::string_view payload = bytes->substr(kLinkHeaderSize);
        const uint32_t sum = Crc32c(payload, Crc32c(bytes->substr(0, kChecksumAt)));
        if (sum != LoadBigEndian<4>(*bytes, kChecksumAt)) {
            Skip(1);
            continue;
        }
        LinkFrame frame;
        frame.epoch = static_cast<uint32_t>(LoadBigEndian<4>(*bytes, kEpochAt));
        frame.type = static_cast<LinkType>(LoadBigEndian<1>(*bytes, kTypeAt));
        frame.flags = static_cast<uint8_t>(LoadBigEndian<1>(*bytes, kFlagsAt));
        frame.stream = LoadBigEndian<8>(*bytes, kStreamAt);
        frame.offset = LoadBigEndian<8>(*bytes, kOffsetAt);
        frame.payload = payload;
        buffer_.Consume(kLinkHeaderSize + length);
        searched_ = 0;
        return frame;
    }
    return std::nullopt;
}

// Under load half of all bytes come in frames that are not whole yet, and are searched; payloads of
// one byte repeated are common. So sixteen places at a time, by the marker's two ends, which hardly
// any such payload is like.
size_t LinkDecoder::FindMarker(size_t from) const {
    using Lanes = unsigned char __attribute__((vector_size(kMarkerSize)));
    const std::string_view bytes = buffer_.view();
    const auto load = [&](size_t at) {
        Lanes lanes;
        std::memcpy(&lanes, bytes.data() + at, sizeof lanes);
        return lanes;
    };
    const Lanes first = Lanes{} + static_cast<unsigned char>(marker_.front());
    const Lanes last = Lanes{} + static_cast<unsigned char>(marker_.back());
    constexpr size_t kSpan = 2 * kMarkerSize - 1;  // of sixteen places
    for (; from + kSpan <= bytes.size(); from += kMarkerSize) {
        const auto hits = (load(from) == first) & (load(from + kMarkerSize - 1) == last);
        uint64_t halves[2];
        std::memcpy(halves, &hits, sizeof halves);
        if ((halves[0] | halves[1]) == 0) continue;
        const size_t found = bytes.substr(from, kSpan).find(marker_);
        if (found != std::string_view::npos) return from + found;
    }
    return from < bytes.size() ? bytes.find(marker_, from) : std::string_view::npos;
}

// To the next marker, or to what may be the beginning of one.
bool LinkDecoder::SkipTo(size_t marker) {
    const bool found = marker != std::string_view::npos;
    Skip(found ? marker : buffer_.size() - std::min(buffer_.size(), kMarkerSize - 1));
    return found;
}

void LinkDecoder::Skip(size_t count) {
    buffer_.Consume(count);
    skipped_ += count;
    searched_ = 0;
}

void LinkDecoder::Clear() {
    buffer_.Clear();
    searched_ = 0;
}

}  // namespace cc

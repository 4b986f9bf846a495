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
    AppendLink(out, frame, marker);
    return out;
}

void AppendLink(std::string& out, const LinkFrame& frame, std::string_view marker) {
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
    out.append(frame.payload);
}

std::optional<LinkFrame> LinkDecoder::Next() {
    while (marker_.size() == kMarkerSize) {
        const std::string_view bytes = buffer_.view();
        if (!bytes.starts_with(marker_)) {
            const size_t found = FindMarker(0);
            if (found == std::string_view::npos) {
                // Its beginning may be here already.
                Skip(bytes.size() - std::min(bytes.size(), kMarkerSize - 1));
                return std::nullopt;
            }
            Skip(found);
            continue;
        }
        if (bytes.size() < kLinkHeaderSize) return std::nullopt;
        if (!IsPlausible(bytes)) {
            Skip(1);
            continue;
        }
        const size_t length = LoadBigEndian<4>(bytes, kLengthAt);
        if (bytes.size() < kLinkHeaderSize + length) {
            // The rest of a frame that was cut never comes; then its place is taken by the next
            // connection's bytes, which begin with a marker.
            const size_t from = std::max<size_t>(searched_, 1);
            const size_t next = FindMarker(from);
            if (next == std::string_view::npos) {
                searched_ = bytes.size() - (kMarkerSize - 1);
                return std::nullopt;
            }
            Skip(next);
            continue;
        }
        const std::string_view payload = bytes.substr(kLinkHeaderSize, length);
        const uint32_t sum = Crc32c(payload, Crc32c(bytes.substr(0, kChecksumAt)));
        if (sum != LoadBigEndian<4>(bytes, kChecksumAt)) {
            Skip(1);
            continue;
        }
        LinkFrame frame;
        frame.epoch = static_cast<uint32_t>(LoadBigEndian<4>(bytes, kEpochAt));
        frame.type = static_cast<LinkType>(LoadBigEndian<1>(bytes, kTypeAt));
        frame.flags = static_cast<uint8_t>(LoadBigEndian<1>(bytes, kFlagsAt));
        frame.stream = LoadBigEndian<8>(bytes, kStreamAt);
        frame.offset = LoadBigEndian<8>(bytes, kOffsetAt);
        frame.payload = payload;
        buffer_.Consume(kLinkHeaderSize + length);
        searched_ = 0;
        return frame;
    }
    return std::nullopt;
}

// memmem(3) passes over most bytes unseen; a search for the first byte would stop at each that is
// like it, and payloads of one byte repeated are common.
size_t LinkDecoder::FindMarker(size_t from) const {
    const std::string_view bytes = buffer_.view();
    if (from >= bytes.size()) return std::string_view::npos;
    const auto* found = static_cast<const char*>(
        ::memmem(bytes.data() + from, bytes.size() - from, marker_.data(), marker_.size()));
    return found == nullptr ? std::string_view::npos : static_cast<size_t>(found - bytes.data());
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

// SPDX-License-Identifier: Apache-2.0
#include "agent/sent_stream.h"

#include <algorithm>

namespace cc::agent {

void SentStream::Append(std::string_view bytes) {
    kept_ += bytes.size();
    while (!bytes.empty()) {
        if (chunks_.empty() || chunks_.back().size() == kMaxPiece) chunks_.emplace_back();
        std::string& last = chunks_.back();
        const size_t count = std::min(bytes.size(), kMaxPiece - last.size());
        last.append(bytes.substr(0, count));
        bytes.remove_prefix(count);
    }
}

void SentStream::OnWindow(uint64_t acknowledged, uint64_t limit, bool rewind) {
    Acknowledge(acknowledged);
    if (rewind) {
        held_ = false;
        sent_ = acknowledged_;
        limit_ = limit;
        end_sent_ = false;
    } else {
        sent_ = std::max(sent_, acknowledged_);
        limit_ = std::max(limit_, limit);
    }
}

void SentStream::Acknowledge(uint64_t offset) {
    if (offset <= acknowledged_) return;
    const uint64_t count = std::min<uint64_t>(offset - acknowledged_, kept_);
    acknowledged_ += count;
    kept_ -= static_cast<size_t>(count);
    if (kept_ == 0) {
        chunks_.clear();
        first_ = acknowledged_;
        return;
    }
    const auto done = static_cast<size_t>((acknowledged_ - first_) / kMaxPiece);
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<ptrdiff_t>(done));
    first_ += done * kMaxPiece;
}

// The bytes from this offset on to the end of the chunk that holds it.
std::string_view SentStream::ChunkAt(uint64_t offset) const {
    const auto from_first = static_cast<size_t>(offset - first_);
    return std::string_view(chunks_[from_first / kMaxPiece]).substr(from_first % kMaxPiece);
}

std::optional<SentStream::Piece> SentStream::Next() {
    if (held_) return std::nullopt;
    Piece piece{sent_, {}, false};
    const uint64_t allowed = limit_ > sent_ ? limit_ - sent_ : 0;
    if (sent_ < end() && allowed > 0) {
        piece.bytes = ChunkAt(sent_);
        piece.bytes = piece.bytes.substr(0, static_cast<size_t>(allowed));
        sent_ += piece.bytes.size();
    }
    piece.end = ended_ && !end_sent_ && sent_ == end();
    if (piece.bytes.empty() && !piece.end) return std::nullopt;
    end_sent_ = end_sent_ || piece.end;
    return piece;
}

}  // namespace cc::agent

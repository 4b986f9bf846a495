// SPDX-License-Identifier: Apache-2.0
// Bytes that have arrived and are not decoded yet. Those of the caller's read buffer can be lent:
// frames that are whole in it are then decoded where they lie, and only the pieces of a frame that
// two reads share are copied.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cc {

class FrameBuffer {
  public:
    void Push(std::string_view bytes) {
        Absorb(lent_.size());
        lent_ = bytes;
        Absorb(bytes.size());
    }
    // Without copying: the bytes must stay where they are until Keep().
    void Lend(std::string_view bytes) {
        Absorb(lent_.size());
        lent_ = bytes;
    }
    // Copies what is left of the lent bytes; memory that is not needed goes.
    void Keep() {
        Absorb(lent_.size());
        if (kept() == 0) std::string().swap(bytes_), consumed_ = 0;
    }
    // The first `count` bytes in one piece; nothing while there are fewer. Valid until the next
    // call other than Consume().
    std::optional<std::string_view> Peek(size_t count) {
        if (kept() == 0 && lent_.size() >= count) return lent_.substr(0, count);
        if (kept() < count) Absorb(std::min(count - kept(), lent_.size()));
        if (kept() < count) return std::nullopt;
        return std::string_view(bytes_).substr(consumed_, count);
    }
    // All there is, in one piece.
    std::string_view view() const {
        if (kept() == 0) return lent_;
        Absorb(lent_.size());
        return std::string_view(bytes_).substr(consumed_);
    }
    size_t size() const { return kept() + lent_.size(); }
    void Consume(size_t count) {  // of what Peek() or view() has shown
        if (kept() == 0)
            lent_.remove_prefix(count);
        else
            consumed_ += count;
    }
    void Clear() {
        bytes_.clear();
        consumed_ = 0;
        lent_ = {};
    }

  private:
    size_t kept() const { return bytes_.size() - consumed_; }
    // Takes so many of the lent bytes. Consumed ones are reclaimed lazily, so that taking many
    // small frames out of one large piece moves nothing.
    void Absorb(size_t count) const {
        if (count == 0) return;
        if (consumed_ == bytes_.size()) {
            bytes_.clear();
            consumed_ = 0;
        } else if (consumed_ > bytes_.size() / 2) {
            bytes_.erase(0, consumed_);
            consumed_ = 0;
        }
        bytes_.append(lent_.substr(0, count));
        lent_.remove_prefix(count);
    }

    // Mutable: where a byte lies changes nothing of what there is.
    mutable std::string bytes_;
    mutable size_t consumed_ = 0;
    mutable std::string_view lent_;  // they follow bytes_
};

// Big-endian numbers, unsigned, of the given width in bytes.
template <int kBytes>
uint64_t LoadBigEndian(std::string_view bytes, size_t at) {
    uint64_t value = 0;
    for (size_t i = 0; i < kBytes; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}
template <int kBytes>
void AppendBigEndian(std::string& out, uint64_t value) {
    char bytes[kBytes];
    for (int i = 0; i < kBytes; ++i)
        bytes[i] = static_cast<char>(value >> 8 * (kBytes - 1 - i) & 0xff);
    out.append(bytes, kBytes);
}

}  // namespace cc

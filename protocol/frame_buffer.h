// SPDX-License-Identifier: Apache-2.0
// Bytes that have arrived and are not decoded yet. Consumed bytes are reclaimed lazily, so that
// taking many small frames out of one large read moves nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cc {

class FrameBuffer {
  public:
    void Push(std::string_view bytes) {
        if (consumed_ == bytes_.size()) {
            bytes_.clear();
            consumed_ = 0;
        } else if (consumed_ > bytes_.size() / 2) {
            bytes_.erase(0, consumed_);
            consumed_ = 0;
        }
        bytes_.append(bytes);
    }
    std::string_view view() const { return std::string_view(bytes_).substr(consumed_); }
    size_t size() const { return bytes_.size() - consumed_; }
    void Consume(size_t count) { consumed_ += count; }
    void Clear() {
        bytes_.clear();
        consumed_ = 0;
    }

  private:
    std::string bytes_;
    size_t consumed_ = 0;
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
    for (int shift = 8 * (kBytes - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift & 0xff));
}

}  // namespace cc

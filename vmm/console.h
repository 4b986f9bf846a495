// SPDX-License-Identifier: Apache-2.0
// What the guest's console printed: the end of it in memory, and a file for people. Both are
// bounded, because a guest can print for ever. The bytes are the guest's, unescaped: whoever shows
// them to a terminal escapes them.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"

namespace cc {

class Console {
  public:
    static constexpr size_t kRing = 64 * 1024;
    static constexpr size_t kMaxFile =
        1024 * 1024;  // then the file is begun again with what the ring holds

    static Result<Console> Open(const std::string& path);
    void Append(std::string_view bytes);
    // At most `limit` bytes, beginning with a whole line where there is one.
    std::string Tail(size_t limit) const;

  private:
    explicit Console(Fd file) : file_(std::move(file)) {}
    Fd file_;
    size_t file_size_ = 0;
    std::string ring_;
};

}  // namespace cc

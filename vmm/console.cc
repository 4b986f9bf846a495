// SPDX-License-Identifier: Apache-2.0
#include "vmm/console.h"

#include <fcntl.h>
#include <unistd.h>

namespace cc {

Result<Console> Console::Open(const std::string& path) {
    CC_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    return Console(std::move(file));
}

void Console::Append(std::string_view bytes) {
    ring_.append(bytes);
    // In steps, so that a byte is not moved for every byte that comes.
    if (ring_.size() > 2 * kRing) ring_.erase(0, ring_.size() - kRing);
    // A full disk costs the file, not the VM.
    if (file_size_ + bytes.size() > kMaxFile) {
        if (::ftruncate(file_.get(), 0) < 0 || ::lseek(file_.get(), 0, SEEK_SET) < 0) return;
        bytes = ring_;
        file_size_ = 0;
    }
    file_size_ += bytes.size();
    (void)WriteAll(file_.get(), bytes);
}

std::string Console::Tail(size_t limit) const {
    if (ring_.size() <= limit) return ring_;
    std::string tail = ring_.substr(ring_.size() - limit);
    const size_t line_end = tail.find('\n');
    if (line_end != std::string::npos && line_end + 1 < tail.size()) tail.erase(0, line_end + 1);
    return tail;
}

}  // namespace cc

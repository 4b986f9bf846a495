// SPDX-License-Identifier: Apache-2.0
// Whole files and directories. All errors name the path.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace cc {

Result<std::string> ReadFile(const std::string& path, size_t limit);
// For /proc, /sys and cgroup files: one write of the whole text into an existing file.
Result<void> WriteExisting(const std::string& path, std::string_view text);
// Readers see the old content or the new one, also after a crash of this process; on a full disk
// the old one stays.
Result<void> WriteFileAtomic(const std::string& path, std::string_view content, unsigned mode);

bool Exists(const std::string& path);  // follows symbolic links
// mkdir -p. An existing last component must be a directory, not a symbolic link.
Result<void> MakeDirectories(const std::string& path, unsigned mode);
// rm -rf that stays on the file system it starts on and follows no symbolic link. A missing path is
// success.
Result<void> RemoveTree(const std::string& path);
Result<std::vector<std::string>> ListDirectory(const std::string& path);  // names, sorted
Result<std::string> ReadLink(const std::string& path);
// The file this process runs from, with symbolic links resolved.
Result<std::string> SelfPath();

// An flock(2) on a file that is made when it is missing; given back when the object goes.
// Locks are per open file description: a child that inherits the descriptor would hold it too, so
// it is close-on-exec.
class FileLock {
  public:
    enum class Mode { kShared, kExclusive };
    // Waits up to the deadline; the error names the lock.
    static Result<FileLock> Acquire(const std::string& path, Mode mode,
                                    std::chrono::milliseconds deadline);

  private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace cc

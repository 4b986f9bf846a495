// SPDX-License-Identifier: Apache-2.0
// Tells when files may no longer be what and where they were: removed, replaced, changed, moved
// with a directory above them, mounted over. It says only that something has happened; whoever
// hears it looks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc {

class FileWatch {
  public:
    // Of files and sockets that are there. An error where the kernel has no watches left.
    static Result<std::unique_ptr<FileWatch>> Open(uv::Loop& loop,
                                                   const std::vector<std::string>& files,
                                                   std::function<void()> on_change);

  private:
    FileWatch(uv::Loop& loop, Fd events, Fd mounts, std::function<void()> on_change);
    Result<void> Add(const std::string& file);
    Result<void> Start();
    void Drain();

    Fd events_, mounts_;
    std::function<void()> on_change_;
    uv::Poll events_poll_, mounts_poll_;
};

}  // namespace cc

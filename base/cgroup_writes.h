// SPDX-License-Identifier: Apache-2.0
// Values written to files of cgroups, which can be taken back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cc {

class CgroupWrites {
  public:
    // Keeps what the file holds and writes the text. A file that cannot be read is not kept.
    Result<void> Write(const std::string& path, const std::string& text);
    // Writes what the files held, the last one first, so that values which bound one another
    // (quota and burst, memory with and without swap) go back the way they came. What a file
    // refuses is a warning in the log.
    void TakeBack();
    // From here on there is nothing to take back.
    void Keep() { before_.clear(); }

  private:
    struct File {
        std::string path;
        std::string text;
    };
    void Remember(const std::string& path, const std::string& text);

    std::vector<File> before_;
};

// What to write to a cgroup's file that holds `content` for it to be as it was after `text` has
// been written to it. Files of several lines, one a device, take and change one line a write.
std::string TextToTakeBack(std::string_view path, std::string_view content, std::string_view text);

}  // namespace cc

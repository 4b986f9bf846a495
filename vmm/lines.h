// SPDX-License-Identifier: Apache-2.0
// Cuts a byte stream into lines and remembers the last of them.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cc {

class Lines {
  public:
    static constexpr size_t kMaxLine = 1024;  // a longer line comes in pieces
    static constexpr size_t kRemembered = 8;

    explicit Lines(std::function<void(std::string_view)> on_line) : on_line_(std::move(on_line)) {}
    void Append(std::string_view bytes);
    void End();  // what came last counts as a line without its end, too
    std::vector<std::string> Last() const { return {last_.begin(), last_.end()}; }

  private:
    void Emit();
    std::function<void(std::string_view)> on_line_;
    std::string line_;
    std::deque<std::string> last_;
};

}  // namespace cc

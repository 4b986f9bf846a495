// SPDX-License-Identifier: Apache-2.0
// Setting something up in steps: each step that succeeded pushes how to take it back. Unless
// Commit() is called, the destructor runs them, last step first, so a failure at step n leaves
// nothing of steps 1 to n-1.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace cc {

class Undo {
  public:
    Undo() = default;
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() { Run(); }

    void Push(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void Commit() { steps_.clear(); }
    void Run() {
        while (!steps_.empty()) {
            auto step = std::move(steps_.back());
            steps_.pop_back();
            step();
        }
    }

  private:
    std::vector<std::function<void()>> steps_;
};

}  // namespace cc

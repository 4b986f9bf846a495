// SPDX-License-Identifier: Apache-2.0
// Tells when processes of the host wait for memory (pressure stall information, Linux 4.20).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/uv/loop.h"

namespace cc {

class MemoryPressure {
  public:
    // An error where the kernel has no such thing.
    static Result<std::unique_ptr<MemoryPressure>> Watch(
        uv::Loop& loop, std::function<void()> on_pressure,
        const std::string& file = "/proc/pressure/memory");

  private:
    MemoryPressure(uv::Loop& loop, Fd fd, std::function<void()> on_pressure);
    Fd fd_;
    uv::Poll poll_;
};

}  // namespace cc

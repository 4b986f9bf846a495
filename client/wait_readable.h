// SPDX-License-Identifier: Apache-2.0
// Waiting for an answer, for clients that may block.
#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/result.h"

namespace cc {

// Until there is something to read, or an end. ETIMEDOUT at `end`; the error names who was asked
// (`what`) and the whole patience (`deadline`).
Result<void> WaitReadable(int fd, std::chrono::steady_clock::time_point end,
                          std::chrono::milliseconds deadline, std::string_view what);

// Never negative, and 0 only when nothing is left.
inline std::chrono::milliseconds TimeLeft(std::chrono::steady_clock::time_point end) {
    const auto left = end - std::chrono::steady_clock::now();
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(left),
                    std::chrono::milliseconds(0));
}

}  // namespace cc

// SPDX-License-Identifier: Apache-2.0
// Of streams whose receiver says how far it is (client protocol 3, extension 2 of the agent's): how
// far the sender may be ahead, and how often the receiver speaks. docs/protocol.md, "Windows".
#pragma once

#include <chrono>
#include <cstdint>

namespace cc {

// Bytes that may be on their way beyond what the receiver has for good.
constexpr uint64_t kStreamWindow = 256 * 1024;
// A receiver says at once that it has so many bytes more than it said last: half of the window is
// still open then, more than what passes until its word arrives, and each costs two wake-ups.
constexpr uint64_t kAcknowledgeAfter = kStreamWindow / 2;
// What is less it says this much later. The end of a stream it says at once.
constexpr std::chrono::milliseconds kAcknowledgeWithin{5};

}  // namespace cc

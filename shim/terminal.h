// SPDX-License-Identifier: Apache-2.0
// The terminal on the shim's standard input: raw mode while the container has it, given back on
// every way out.
#pragma once

#include <optional>

#include "base/result.h"

namespace cc::shim {

struct WindowSize {
    int rows = 0;
    int columns = 0;
};

// The size of the terminal `fd`; nothing when it is no terminal or has no size.
std::optional<WindowSize> SizeOf(int fd);

// False while this process is in the background of its controlling terminal `fd`, where touching it
// would stop us or raise SIGTTOU again and again. True for a terminal that does not control us.
bool MayUseTerminal(int fd);

// Puts the terminal into raw mode. One object at a time; the destructor restores it, and so do the
// deadly signals that a shim does not forward.
class RawMode {
  public:
    explicit RawMode(int fd);
    ~RawMode();
    RawMode(const RawMode&) = delete;
    RawMode& operator=(const RawMode&) = delete;

    // Raw again, when someone else has changed the terminal in the meantime.
    void Apply();

    static bool IsTerminal(int fd);
};

}  // namespace cc::shim

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cc {

// How nice the session of this process is to others. Where the kernel shares the processor between
// sessions (autogroup, sched(7)), the niceness of a process counts only among those of its own.
// Nothing happens where it does not.
void SetSessionNiceness(int niceness);

}  // namespace cc

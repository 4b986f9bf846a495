// SPDX-License-Identifier: Apache-2.0
// Memory that a process holds only because of what has been.
#pragma once

namespace cc {

// The pages of the program's file that are mapped: most of them were needed by the start only, and
// came 64 KiB at a time. They are clean and stay in the page cache; what is still used comes back
// when it is touched, some 20 faults in all.
void DropProgramPages();

// Freed pieces of the heap, whole pages of them.
void TrimHeap();

}  // namespace cc

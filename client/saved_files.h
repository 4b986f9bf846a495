// SPDX-License-Identifier: Apache-2.0
// The files of a saved machine, as cc-vmm gets them on its command line.
#pragma once

#include "base/process.h"

namespace cc {

// Descriptors; their owner is the caller.
struct SavedFiles {
    int memory = -1;
    int state = -1;         // the rest of the machine
    int translations = -1;  // of the guest's code, where the VMM translates and can share them
};

void PassSavedFiles(const SavedFiles& files, SpawnOptions& to);

}  // namespace cc

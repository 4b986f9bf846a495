// SPDX-License-Identifier: Apache-2.0
// A machine that was saved: files in memory that belong to no file system. Nobody can damage
// them once they are sealed, not even a VMM that a guest has taken over: they cannot be written,
// shrunk or punched, only mapped privately.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "client/saved_files.h"

namespace cc {

class SavedMachine {
  public:
    // Empty; to be written by a template's VMM.
    static Result<SavedMachine> Make(int64_t memory_mib);
    // An error (EBUSY) while somebody may still write; it can be tried again.
    Result<void> Seal();

    // As its VMM writes them. Whoever reads takes a state of its own.
    SavedFiles files() const { return {memory_.get(), state_.get(), translations_.get()}; }
    // Reading begins at its start, independent of everybody else who reads.
    Result<Fd> OpenState() const;
    int64_t Bytes() const;  // that the host spends on it

  private:
    SavedMachine(Fd memory, Fd state, Fd translations)
        : memory_(std::move(memory)),
          state_(std::move(state)),
          translations_(std::move(translations)) {}
    Fd memory_;
    Fd state_;
    Fd translations_;
};

}  // namespace cc

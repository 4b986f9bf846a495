// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and its like while a container is being made: the command shall end soon, but not without
// undoing what it has done. The handler ends the VM's keeper, if there is one, because everything
// that takes long waits for the VM.
#pragma once

#include <csignal>

#include <sys/types.h>

#include "base/result.h"

namespace cc::runtime {

class InterruptGuard {
  public:
    InterruptGuard();
    ~InterruptGuard();  // the signals do again what they did before
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    // The keeper is our unreaped child, so its pid stays its own. 0: none.
    void Watch(pid_t keeper);
    // An error that names the signal, when one came.
    Result<void> Check() const;
    int signal() const;

  private:
    struct sigaction before_[3];
};

}  // namespace cc::runtime
